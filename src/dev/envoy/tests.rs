//! Is an Envoy found, configured and stopped?

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Addresses, Envoy, EnvoyError, find, tail};

fn addresses() -> Addresses {
    let [listen, ext_authz, upstream] = [0, 9191, 9500].map(|port| ([127, 0, 0, 1], port).into());
    Addresses { listen, ext_authz, upstream }
}

fn executable(directory: &Path) -> PathBuf {
    let file = directory.join("envoy");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

#[test]
fn the_first_executable_envoy_on_the_path_is_taken() {
    let [first, second] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    let path = std::env::join_paths([first.path(), second.path()]).unwrap();
    assert_eq!(find(&path), None);
    let expected = executable(second.path());
    fs::write(first.path().join("envoy"), "not executable").unwrap();
    assert_eq!(find(&path), Some(expected));
    fs::remove_file(first.path().join("envoy")).unwrap();
    fs::create_dir(first.path().join("envoy")).unwrap();
    assert_eq!(find(&path), Some(second.path().join("envoy")));
}

#[tokio::test]
async fn an_envoy_that_ends_at_once_says_why() {
    let directory = tempfile::tempdir().unwrap();
    // `ls` knows none of Envoy's options.
    let error = Envoy::start(Path::new("/bin/ls"), directory.path(), &addresses()).await.unwrap_err();
    assert!(matches!(&error, EnvoyError::Ended { status, .. } if status.code() == Some(2)), "{error}");
    assert!(error.to_string().contains("--config-path"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = Envoy::start(Path::new("/no/such/envoy"), directory.path(), &addresses()).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/envoy"), "{error}");
}

#[test]
fn a_tail_is_ten_lines() {
    let log: String = (0..12).map(|n| format!("{n}\n")).collect();
    assert_eq!(tail(&log).lines().collect::<Vec<_>>(), ["2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
}
