//! What does a person with grpcurl see? The real program, with no proto files.

use std::net::SocketAddr;
use std::process::Command;

use super::part;

/// Runs `grpcurl -plaintext [-d data] address arguments…`; standard output where it succeeded, else both outputs as the error.
pub fn grpcurl(address: SocketAddr, data: Option<&str>, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(part("bin/grpcurl"));
    command.args(["-plaintext", "-max-time", "20"]);
    if let Some(data) = data {
        command.args(["-d", data]);
    }
    let output = command.arg(address.to_string()).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}
