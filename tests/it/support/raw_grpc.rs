//! A gRPC call as HTTP/2 frames, with no library that could put anything right.

use std::io::{self, Read, Write};

/// The path of the one method.
pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Sends an empty message to `path` and reads until the server has ended that stream; says how many bytes of messages
/// came back.
pub fn call(connection: impl Read + Write, path: &str) -> io::Result<usize> {
    exchange(connection, path, Some(&[0, 0, 0, 0, 0]))
}

/// The same, with a message that never comes.
pub fn call_without_message(connection: impl Read + Write, path: &str) -> io::Result<usize> {
    exchange(connection, path, None)
}

fn exchange(mut connection: impl Read + Write, path: &str, message: Option<&[u8]>) -> io::Result<usize> {
    // `:method: POST`, `:scheme: http`, then `:path`, `:authority`, `content-type` and `te` as literals.
    let block = [
        vec![0x83, 0x86],
        literal(&[0x04], path),
        literal(&[0x01], "keyward"),
        literal(&[0x0f, 0x10], "application/grpc"),
        [literal(&[0x00], "te"), literal(&[], "trailers")].concat(),
    ]
    .concat();
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    connection.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    connection.write_all(&frame(HEADERS, END_HEADERS, 1, &block))?;
    if let Some(message) = message {
        connection.write_all(&frame(DATA, END_STREAM, 1, message))?;
    }
    let mut answer = 0;
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        connection.read_exact(&mut vec![0; length])?;
        let (kind, flags, stream) = (head[3], head[4], head[8]);
        if stream != 1 {
            continue;
        }
        if kind == DATA {
            answer += length;
        }
        if kind == RST_STREAM || (kind <= HEADERS && flags & END_STREAM != 0) {
            return Ok(answer);
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

fn literal(index: &[u8], value: &str) -> Vec<u8> {
    [index, &[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()
}
