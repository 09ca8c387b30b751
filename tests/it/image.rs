//! Is the image of `deploy/Dockerfile` the program and its authorities alone, and does it start as nobody?
//!
//! The stage `runtime` is built as it stands, with this test's own program in place of the first stage; that one is linked
//! to libraries, which are laid beside it. `make image` hands in the static program of the release, and the same holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::certificates::Authority;
use crate::support::manifests::{output, try_output};
use crate::support::server::PATIENCE;
use crate::support::{clone_path, unused_address};

const ROOTS: &str = "etc/ssl/certs/ca-certificates.crt";

/// A place for images and containers that goes with the test.
struct Store(TempDir);

impl Store {
    fn buildah(&self) -> Command {
        let mut buildah = Command::new("buildah");
        buildah.args(["--storage-driver", "vfs", "--root"]).arg(self.0.path().join("images"));
        buildah.arg("--runroot").arg(self.0.path().join("run"));
        buildah
    }

    /// Builds the stage `runtime`; what stands for the first stage is in `context`.
    fn build(context: &Path) -> Self {
        let store = Self(tempfile::tempdir().unwrap());
        let mut build = store.buildah();
        build.args(["bud", "-q", "--isolation", "chroot", "--target", "runtime", "-t", "keyward", "--build-arg"]);
        build.arg("COMMIT=abc123").arg(format!("--build-context=build={}", context.display()));
        output(build.arg("-f").arg(clone_path("deploy/Dockerfile")).arg(clone_path("")));
        store
    }

    fn container(&self) -> String {
        output(self.buildah().args(["from", "keyward"])).trim().to_owned()
    }

    fn configuration(&self) -> Value {
        let inspected = output(self.buildah().args(["inspect", "--type", "image", "keyward"]));
        serde_json::from_str::<Value>(&inspected).unwrap()["OCIv1"]["config"].take()
    }

    /// A command in the container, as its user, with a folder at /etc/keyward.
    fn run(&self, container: &str, folder: &Path, arguments: &[&str]) -> Command {
        let mut run = self.buildah();
        run.args(["run", "--isolation", "chroot", "--volume"]).arg(format!("{}:/etc/keyward:ro", folder.display()));
        run.arg(container).arg("--").args(arguments);
        run
    }
}

/// What the first stage makes: of `make image`, or of this test's own program.
fn context() -> (PathBuf, Option<TempDir>) {
    if let Some(released) = std::env::var_os("KEYWARD_IMAGE_CONTEXT") {
        return (released.into(), None);
    }
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("image");
    let place = |from: &Path, to: &str| {
        let to = image.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    let program = Path::new(env!("CARGO_BIN_EXE_keyward"));
    place(program, "keyward");
    // Without an authority Keyward does not start: it could ask no server over TLS.
    let authority = directory.path().join("authority.pem");
    fs::write(&authority, Authority::new("stands for the system's").pem).unwrap();
    place(&authority, ROOTS);
    for word in output(Command::new("ldd").arg(program)).split_whitespace().filter(|word| word.starts_with('/')) {
        place(Path::new(word), word.trim_start_matches('/'));
    }
    (directory.path().to_owned(), Some(directory))
}

/// The configuration of the sidecar, on ports of this test's own.
fn mounted(health: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(clone_path("deploy/kubernetes/base/keyward.yaml")).unwrap();
    let text = text.replace("127.0.0.1:9191", "127.0.0.1:0").replace("0.0.0.0:9902", "127.0.0.1:0");
    fs::write(folder.path().join("keyward.yaml"), text.replace("0.0.0.0:9193", health)).unwrap();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    fs::write(folder.path().join("secrets/client-secret"), "s3cret").unwrap();
    // The image's user is another one.
    output(Command::new("chmod").args(["-R", "a+rX"]).arg(folder.path()));
    folder
}

/// SIGTERM, at which buildah ends what it runs; SIGKILL would leave it behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ended = self.0.wait();
    }
}

fn files(folder: &Path, below: &Path) -> Vec<String> {
    let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap());
    let paths = entries.flat_map(|entry| {
        let is_folder = entry.file_type().unwrap().is_dir();
        if is_folder { files(folder, &entry.path()) } else { vec![relative(folder, &entry.path())] }
    });
    paths.collect()
}

fn relative(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_image_holds_the_program_and_its_authorities_and_starts_as_nobody() {
    let (context, _own) = context();
    let store = Store::build(&context);

    let configuration = store.configuration();
    assert_eq!(configuration["User"], "65532:65532");
    assert_eq!(configuration["Entrypoint"], serde_json::json!(["/keyward"]));
    assert_eq!(configuration["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(configuration["Labels"]["org.opencontainers.image.revision"], "abc123");

    let container = store.container();
    let root = PathBuf::from(output(store.buildah().args(["mount", &container])).trim());
    let held: BTreeSet<_> = files(&root, &root).into_iter().collect();
    assert_eq!(held, files(&context.join("image"), &context.join("image")).into_iter().collect());
    assert!(held.contains("keyward") && held.contains(ROOTS), "{held:?}");
    let others: Vec<_> =
        held.iter().filter(|file| !file.contains(".so") && *file != "keyward" && *file != ROOTS).collect();
    assert!(others.is_empty(), "{others:?}");
    if std::env::var_os("KEYWARD_IMAGE_CONTEXT").is_some() {
        assert_eq!(held.len(), 2, "a static program needs no libraries: {held:?}");
    }

    let health = unused_address().to_string();
    let folder = mounted(&health);
    let words = |key: &str| configuration[key].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let command: Vec<_> = words("Entrypoint").chain(words("Cmd")).collect();
    let log = store.0.path().join("log");
    let started = Instant::now();
    let logged = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let mut serve = store.run(&container, folder.path(), &command);
    let running = Running(serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(logged).spawn().unwrap());
    while !fs::read_to_string(&log).unwrap().contains("listening") {
        assert!(started.elapsed() < PATIENCE, "it does not serve: {}", fs::read_to_string(&log).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let asked = ["/keyward", "health", "--address", &health, "--service", "envoy.service.auth.v3.Authorization"];
    output(&mut store.run(&container, folder.path(), &asked));
    drop(running);

    let configuration = folder.path().join("keyward.yaml");
    let wrong = fs::read_to_string(&configuration).unwrap().replace("60 seconds", "60 parsecs");
    fs::write(&configuration, wrong).unwrap();
    let validate = ["/keyward", "validate", "--config", "/etc/keyward/keyward.yaml"];
    let complaint =
        try_output(&mut store.run(&container, folder.path(), &validate)).expect_err("a wrong configuration");
    assert!(complaint.contains("60 parsecs"), "{complaint}");
}
