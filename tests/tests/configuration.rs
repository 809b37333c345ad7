//! What is shipped.

use std::fs;
use std::path::{Path, PathBuf};

fn shipped_configurations() -> Vec<(PathBuf, String)> {
    let workers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/workers");
    let entries = fs::read_dir(&workers).expect("infra/workers");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let files = paths.filter(|path| path.is_dir()).map(|folder| folder.join("wrangler.jsonc"));
    let spin = workers.join("../spin/spin.toml");
    let files = files.chain([spin]);
    files.map(|file| (file.clone(), fs::read_to_string(&file).expect("a configuration"))).collect()
}

#[test]
fn no_shipped_configuration_has_test_hooks() {
    let shipped = shipped_configurations();
    assert_eq!(shipped.len(), 6, "one wrangler.jsonc for each function, and one spin.toml");
    for (file, content) in shipped {
        assert!(!content.to_ascii_uppercase().contains("TEST_HOOKS"), "{}", file.display());
    }
}

/// What `cargo xtask dev` says otherwise is for a developer's machine alone.
#[test]
fn no_shipped_configuration_says_what_only_a_local_host_may() {
    for (file, content) in shipped_configurations() {
        let compact: String = content.split_whitespace().collect();
        for local in [
            r#""JURISDICTIONS":"off""#,
            r#""WEBHOOK_ADDRESSES":"any""#,
            r#""MAIL_URL":"capture:""#,
            r#""capture:""#,
            r#""*://"#,
        ] {
            assert!(!compact.contains(local), "{}: {local}", file.display());
        }
    }
}
