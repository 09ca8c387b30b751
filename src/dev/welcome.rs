//! What does someone read who has just started `keyward dev`?

use std::io::{self, Write};

use super::examples::Scene;

/// Says what runs where, and what to try.
pub(super) fn write(scene: &Scene, notes: &[String], out: &mut impl Write) -> io::Result<()> {
    let mut rows = Vec::new();
    if let Some(envoy) = scene.envoy {
        rows.push(("envoy", format!("http://{envoy}"), "asks Keyward, then an upstream that echoes what it gets"));
    }
    let file = |path: &std::path::Path| path.display().to_string();
    rows.push(("keyward", scene.ext_authz.to_string(), "ext_authz v3 over gRPC"));
    rows.push(("admin", format!("http://{}", scene.admin), "/livez /readyz /metrics"));
    rows.push(("authorization server", format!("http://{}", scene.authorization_server), "GET / says what it can do"));
    rows.push(("configuration", file(&scene.configuration), ""));
    rows.push(("users", file(&scene.users), "alice: clerk; bob: no role; carol: inactive"));
    let width = rows.iter().map(|(_, place, _)| place.chars().count()).max().unwrap_or_default();
    writeln!(out, "Keyward is up. Ctrl-C ends it, and everything below with it.\n")?;
    for (name, place, what) in rows {
        writeln!(out, "{}", format!("  {name:<20}  {place:<width$}  {what}").trim_end())?;
    }
    for note in notes {
        writeln!(out, "\nNote: {note}.")?;
    }
    writeln!(out, "\nTry, in another terminal:")?;
    for example in scene.examples() {
        writeln!(out, "\n# {}", example.title)?;
        for command in &example.commands {
            writeln!(out, "{}", command.line)?;
        }
    }
    writeln!(out, "\nDecisions follow as they are made, one JSON line each.\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use crate::dev::examples::{Scene, Tokens};

    fn scene(envoy: bool) -> Scene {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let [alice, bob, carol] = ["token-a", "token-b", "token-c"].map(str::to_owned);
        Scene {
            ext_authz: address(1),
            envoy: envoy.then(|| address(2)),
            admin: address(3),
            authorization_server: address(4),
            tokens: Tokens { alice, bob, carol },
            program: PathBuf::from("keyward"),
            configuration: PathBuf::from("/a b/keyward.yaml"),
            users: PathBuf::from("/a b/users.yaml"),
            token_facts: PathBuf::from("/a b/facts.json"),
            denied_request: PathBuf::from("/a b/request.json"),
        }
    }

    #[test]
    fn every_command_of_the_demonstration_stands_on_a_line_of_its_own() {
        for with_envoy in [true, false] {
            let scene = scene(with_envoy);
            let mut out = Vec::new();
            super::write(&scene, &["port 1 is taken".to_owned()], &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for command in scene.examples().iter().flat_map(|example| &example.commands) {
                assert!(lines.contains(&command.line.as_str()), "{}", command.line);
            }
            assert_eq!(text.contains("http://127.0.0.1:2"), with_envoy);
            assert!(lines.contains(&"Note: port 1 is taken."));
        }
    }
}
