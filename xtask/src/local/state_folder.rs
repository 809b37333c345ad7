//! The folder that holds all state of one local host, claimed by one process at a time.

use crate::secrets;
use anyhow::{Context, Result, bail};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";

/// A claimed folder; free again when dropped, or when its process dies.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Makes the folder where it is missing. Fails when it holds other people's files, or another host uses it.
    pub fn claim(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| path.display().to_string())?;
        let path = path.canonicalize()?;
        if !is_ours(&path)? {
            bail!(
                "{} holds files that no host of this project made; choose another folder with --state",
                path.display()
            );
        }
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another host is running on {}; end it first, or choose another folder with --state (and another port)",
                path.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).context("the state folder cannot be locked"),
        }
    }

    /// Deletes everything in it, except that it stays claimed.
    pub fn wipe(&self) -> Result<()> {
        // The secrets go last: their file is what says that the rest is ours to delete.
        let marker = secrets::file_in(&self.path);
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?.path();
            if entry.file_name().is_some_and(|name| name == LOCK) || entry == marker {
                continue;
            }
            if entry.is_dir() { fs::remove_dir_all(&entry)? } else { fs::remove_file(&entry)? }
        }
        if marker.exists() {
            fs::remove_file(marker)?;
        }
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Ours: empty but for a lock, or with the secrets that the first start writes before anything else.
fn is_ours(path: &Path) -> Result<bool> {
    if secrets::file_in(path).exists() {
        return Ok(true);
    }
    for entry in fs::read_dir(path)? {
        if entry?.file_name() != LOCK {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new folder below cargo's own folder for tests' files.
    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("state-folder-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_folder_with_foreign_files_is_refused_and_left_alone() {
        let path = folder("foreign");
        fs::write(path.join("thesis.txt"), "years of work").unwrap();
        assert!(StateFolder::claim(&path).is_err());
        assert!(path.join("thesis.txt").exists());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn two_hosts_cannot_share_a_folder() {
        let path = folder("shared");
        let first = StateFolder::claim(&path).unwrap();
        assert!(StateFolder::claim(&path).unwrap_err().to_string().contains("another host is running"));
        drop(first);
        assert!(StateFolder::claim(&path).is_ok());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn wiping_leaves_an_empty_claimed_folder() {
        let path = folder("wiped");
        let claimed = StateFolder::claim(&path).unwrap();
        fs::create_dir(path.join("d1")).unwrap();
        fs::write(secrets::file_in(&path), "{}").unwrap();
        claimed.wipe().unwrap();
        assert!(!path.join("d1").exists() && !secrets::file_in(&path).exists());
        assert!(StateFolder::claim(&path).is_err(), "still claimed");
        fs::remove_dir_all(path).unwrap();
    }
}
