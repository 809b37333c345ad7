//! What a deployment keeps on this machine, in `.deploy/<environment>`, readable by its owner alone.

use super::environment::Environment;
use super::secret_rules::{BOOTSTRAP_TOKEN, Kind, Origin, Rule};
use crate::paths;
use crate::secrets::{hex, random, write_private};
use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    pub fn of(environment: &Environment) -> Self {
        Self::in_folder(paths::root().join(".deploy").join(&environment.label))
    }

    pub const fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What somebody sends to `POST /admin/bootstrap`.
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("bootstrap-token")
    }

    /// Secrets that were made and may not have reached all of their functions.
    pub fn unfinished(&self) -> Result<BTreeMap<String, String>> {
        Ok(read(&self.unfinished_file())?.unwrap_or_default())
    }

    /// Before the first is sent anywhere: a deployment that dies in between goes on with the same values.
    pub fn begin_secrets(&self, values: &BTreeMap<String, String>) -> Result<()> {
        self.write(&self.unfinished_file(), values)?;
        match values.get(BOOTSTRAP_TOKEN) {
            Some(token) => write_private(&self.token_file(), format!("{token}\n").as_bytes()),
            None => Ok(()),
        }
    }

    pub fn end_secrets(&self) -> Result<()> {
        match fs::remove_file(self.unfinished_file()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("the unfinished secrets stay")
            }
            _ => Ok(()),
        }
    }

    /// By function, the version that ran before the last deployment.
    pub fn versions_before(&self) -> Result<Option<BTreeMap<String, String>>> {
        read(&self.versions_file())
    }

    pub fn note_versions(&self, versions: &BTreeMap<String, String>) -> Result<()> {
        self.write(&self.versions_file(), versions)
    }

    fn unfinished_file(&self) -> PathBuf {
        self.folder.join("unfinished-secrets.json")
    }

    fn versions_file(&self) -> PathBuf {
        self.folder.join("versions-before.json")
    }

    fn write(&self, file: &Path, content: &impl Serialize) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.with_context(|| self.folder.display().to_string())?;
        write_private(file, &serde_json::to_vec_pretty(content)?)
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    match fs::read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        content => {
            let content = content.with_context(|| file.display().to_string())?;
            Ok(Some(serde_json::from_slice(&content).with_context(|| file.display().to_string())?))
        }
    }
}

/// A fresh value.
pub fn made(rule: &Rule) -> Result<String> {
    let mut bytes = random::<32>()?;
    if let Origin::Made(Kind::P256Scalar) | Origin::First(Kind::P256Scalar) = rule.origin {
        // Below the curve's order, which begins with 32 one bits.
        bytes[0] &= 0x7f;
    }
    Ok(hex(&bytes))
}
