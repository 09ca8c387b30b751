//! Which commands show what Keyward does? Each stands alone and can be copied into a shell.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::files::{CACHE_SECONDS, CLIENT_ID, CLIENT_SECRET};

/// Something to try, and what should come of it.
#[derive(Debug, Clone)]
pub struct Example {
    /// What happens and why, for people.
    pub title: String,
    /// Ways to see it.
    pub commands: Vec<Command>,
}

/// One command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// For a POSIX shell.
    pub line: String,
    /// How its outcome is read, and what it should be.
    pub expected: Expected,
}

/// What should come of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// `curl -i` shows this status.
    HttpStatus(u16),
    /// `grpcurl` shows an `okResponse`.
    CheckAllows,
    /// `grpcurl` shows a `deniedResponse` with the status of this name.
    CheckDenies(&'static str),
    /// The command ends with this code.
    Exit(i32),
}

/// Tokens for the three users.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// An active clerk's.
    pub alice: String,
    /// That of a user without a role.
    pub bob: String,
    /// That of a user whose account is inactive.
    pub carol: String,
}

/// What the commands are about.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Keyward.
    pub ext_authz: SocketAddr,
    /// Envoy, if one runs.
    pub envoy: Option<SocketAddr>,
    /// Keyward's admin listener.
    pub admin: SocketAddr,
    /// The embedded authorization server.
    pub authorization_server: SocketAddr,
    /// Tokens.
    pub tokens: Tokens,
    /// The program, as the shell finds it.
    pub program: PathBuf,
    /// The configuration.
    pub configuration: PathBuf,
    /// The users file.
    pub users: PathBuf,
    /// What the authorization server says of the tokens.
    pub token_facts: PathBuf,
    /// Bob's request, as grpcurl takes it.
    pub denied_request: PathBuf,
}

/// A request to try.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// The path.
    pub path: &'a str,
    /// The token, if one is sent.
    pub token: Option<&'a str>,
}

impl Scene {
    /// Everything there is to try, in the order in which it tells a story; the revocation comes last.
    #[must_use]
    pub fn examples(&self) -> Vec<Example> {
        let Tokens { alice, bob, carol } = &self.tokens;
        let order = |token| Try { path: "/orders/1", token: Some(token) };
        vec![
            self.example("Allowed: alice is a clerk, and clerks may read orders.", order(alice), 200),
            self.example("Denied with 403: bob is known, but he is no clerk.", order(bob), 403),
            Example { title: "Explained: why bob was denied, step by step.".to_owned(), commands: vec![self.check()] },
            self.example("Denied with 401: carol's account is inactive.", order(carol), 401),
            self.example("Denied with 401: nobody issued this token.", order("made-up"), 401),
            self.explain(),
            self.example("Allowed without a token: what is public.", Try { path: "/public/hello", token: None }, 200),
            self.mint(),
            self.revoke(),
        ]
    }

    /// The command whose answer changes once alice's token is revoked.
    #[must_use]
    pub fn after_revocation(&self) -> Example {
        let order = Try { path: "/orders/1", token: Some(&self.tokens.alice) };
        self.example("Denied with 401: alice's token is revoked.", order, 401)
    }

    fn example(&self, title: &str, request: Try<'_>, status: u16) -> Example {
        let curl = self.envoy.map(|envoy| curl(envoy, request, status));
        let grpcurl = grpcurl(self.ext_authz, request, status);
        Example { title: title.to_owned(), commands: curl.into_iter().chain([grpcurl]).collect() }
    }

    fn check(&self) -> Command {
        let [program, configuration, request, facts] =
            [&self.program, &self.configuration, &self.denied_request, &self.token_facts].map(|path| path_word(path));
        let line = format!("{program} check --config {configuration} --request {request} --token-facts {facts}");
        Command { line, expected: Expected::Exit(1) }
    }

    fn explain(&self) -> Example {
        let line = format!("{} explain --admin {}", path_word(&self.program), self.admin);
        Example {
            title: "Explained afterwards: what was refused lately; with an id, or `--last`, step by step.".to_owned(),
            commands: vec![Command { line, expected: Expected::Exit(0) }],
        }
    }

    fn mint(&self) -> Example {
        let url = format!("http://{}/mint?sub=alice&scope=orders&expires_in=600", self.authorization_server);
        Example {
            title: "Another token: any claim can be asked for, and `/mint.txt` answers the bare token.".to_owned(),
            commands: vec![http(format!("curl -is {}", word(&url)), 200)],
        }
    }

    fn revoke(&self) -> Example {
        let Self { authorization_server, tokens, .. } = self;
        let client = word(&format!("{CLIENT_ID}:{CLIENT_SECRET}"));
        let line = format!("curl -is -u {client} -d token={} http://{authorization_server}/revoke", tokens.alice);
        Example {
            title: format!(
                "Revoked: alice's token; within {CACHE_SECONDS} seconds (`cache.maxTimeout`) the first command is denied with 401."
            ),
            commands: vec![http(line, 200)],
        }
    }
}

fn http(line: String, status: u16) -> Command {
    Command { line, expected: Expected::HttpStatus(status) }
}

fn curl(envoy: SocketAddr, request: Try<'_>, status: u16) -> Command {
    let header = request.token.map(|token| format!("-H {} ", word(&format!("Authorization: Bearer {token}"))));
    http(format!("curl -is {}http://{envoy}{}", header.unwrap_or_default(), request.path), status)
}

fn grpcurl(ext_authz: SocketAddr, request: Try<'_>, status: u16) -> Command {
    let body = word(&check_request(request).to_string());
    let line = format!("grpcurl -plaintext -d {body} {ext_authz} envoy.service.auth.v3.Authorization/Check");
    let expected = match status {
        401 => Expected::CheckDenies("Unauthorized"),
        403 => Expected::CheckDenies("Forbidden"),
        _ => Expected::CheckAllows,
    };
    Command { line, expected }
}

/// A CheckRequest in the JSON of protobuf, as grpcurl and `keyward check` take it.
#[must_use]
pub fn check_request(request: Try<'_>) -> Value {
    let mut http = Map::from_iter([
        ("method".to_owned(), json!("GET")),
        ("path".to_owned(), json!(request.path)),
        ("host".to_owned(), json!("localhost")),
        ("scheme".to_owned(), json!("http")),
    ]);
    if let Some(token) = request.token {
        http.insert("headers".to_owned(), json!({ "authorization": format!("Bearer {token}") }));
    }
    json!({ "attributes": { "request": { "http": http } } })
}

fn path_word(path: &Path) -> String {
    word(&path.to_string_lossy())
}

/// `text` as one word of a POSIX shell: as it is where it has no special character, else in single quotes.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::word;

    #[test]
    fn a_shell_reads_a_word_as_what_it_was() {
        for text in ["plain", "", "a b", "it's", "$HOME `x` \"y\" \\ *", "http://a/b?c=d&e=f", "{\"a\":1}", "ä\n"] {
            let output = process::Command::new("sh").args(["-c", &format!("printf %s {}", word(text))]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), text);
        }
        assert_eq!(word("target/debug/keyward"), "target/debug/keyward");
    }
}
