//! What must be made before the crate compiles? The descriptor sets of ext_authz and the admin API, for gRPC reflection.
//!
//! Pure Rust: no `protoc`, no shell, no git.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets `OUT_DIR`")?);
    for (name, proto) in
        [("ext_authz", "envoy/service/auth/v3/external_auth.proto"), ("admin", "keyward/admin/v1/admin.proto")]
    {
        let mut compiler = protox::Compiler::new(["proto"])?;
        compiler.include_imports(true).include_source_info(false).open_file(proto)?;
        fs::write(out.join(format!("{name}.descriptors.bin")), compiler.encode_file_descriptor_set())?;
    }
    Ok(())
}
