//! What `$(VAR)` in files means, and how files are made.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

fn env(name: &str) -> Option<String> {
    match name {
        "VAR" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        "REF" => Some("$(VAR)".to_owned()),
        "QUOTES" => Some(QUOTES.to_owned()),
        "VAR:url" => Some("a variable of this very name".to_owned()),
        _ => None,
    }
}

const QUOTES: &str = "it's \"50%\" \\ a: #b\n$(VAR)";

#[test]
fn a_format_quotes_a_value_and_whatever_is_no_format_of_a_variable_stays() {
    for (template, expanded) in [
        ("$(VAR:json)", r#""value""#),
        ("$(VAR:yaml)", r#""value""#),
        ("$(VAR:shell)", "'value'"),
        ("$(EMPTY:json)", r#""""#),
        ("$(EMPTY:shell)", "''"),
        ("$(EMPTY:url)", ""),
        ("$(QUOTES:json)", r#""it's \"50%\" \\ a: #b\n$(VAR)""#),
        ("$(QUOTES:shell)", "'it'\\''s \"50%\" \\ a: #b\n$(VAR)'"),
        (
            "$(QUOTES:url)",
            "it%27s%20%2250%25%22%20%5C%20a%3A%20%23b%0A%24%28VAR%29",
        ),
        // As before there were formats.
        ("$$(VAR:json)", "$(VAR:json)"),
        ("$(UNKNOWN:json)", "$(UNKNOWN:json)"),
        ("$(VAR:JSON)", "$(VAR:JSON)"),
        ("$(VAR:toml)", "$(VAR:toml)"),
        ("$(VAR:)", "$(VAR:)"),
        ("$(:json)", "$(:json)"),
        ("$(VAR:json:json)", "$(VAR:json:json)"),
        ("$(VAR: json)", "$(VAR: json)"),
        ("$(VAR:url)", "a variable of this very name"),
    ] {
        assert_eq!(expand(template, env), expanded, "{template:?}");
    }
}

#[test]
fn variables_are_expanded_as_kubernetes_expands_args() {
    // Cases of `k8s.io/kubernetes/third_party/forked/golang/expansion`, and our own.
    for (template, expanded) in [
        ("", ""),
        ("plain", "plain"),
        ("$(VAR)", "value"),
        ("a$(VAR)b", "avalueb"),
        ("$(VAR)$(VAR)", "valuevalue"),
        ("$(EMPTY)", ""),
        ("$(REF)", "$(VAR)"),
        ("$$(VAR)", "$(VAR)"),
        ("$$$(VAR)", "$value"),
        ("$$$$(VAR)", "$$(VAR)"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$VAR", "$VAR"),
        ("${VAR}", "${VAR}"),
        ("$", "$"),
        ("$$", "$"),
        ("$(", "$("),
        ("$()", "$()"),
        ("$(VAR", "$(VAR"),
        ("$(VAR $(VAR)", "$(VAR $(VAR)"),
        ("a $ b", "a $ b"),
        ("$(VAR)$", "value$"),
        ("$((VAR))", "$((VAR))"),
        ("π$(VAR)é", "πvalueé"),
    ] {
        assert_eq!(expand(template, env), expanded, "{template:?}");
    }
}

proptest! {
    #[test]
    fn any_text_can_be_expanded(template in ".{0,200}") {
        expand(&template, env);
    }

    #[test]
    fn a_text_with_doubled_dollars_comes_out_as_it_was(text in r"[$()VAR {}\n]{0,60}") {
        prop_assert_eq!(expand(&text.replace('$', "$$"), env), text);
    }

    #[test]
    fn a_quoted_value_is_one_string_in_json_and_yaml_whatever_is_in_it(value in any::<String>()) {
        for format in ["json", "yaml"] {
            let file = expand(&format!("{{\"a\": $(X:{format}), \"b\": 1}}"), |name| (name == "X").then(|| value.clone()));
            let meant = serde_json::json!({"a": value, "b": 1});
            prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&file).unwrap(), &meant);
            prop_assert_eq!(&serde_yaml::from_str::<serde_json::Value>(&file).unwrap(), &meant);
        }
    }

    #[test]
    fn a_value_in_a_url_is_read_back_as_it_was(value in any::<String>()) {
        let text = expand("$(X:url)", |name| (name == "X").then(|| value.clone()));
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        let mut rest = text.as_bytes();
        let mut bytes = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            if *first == b'%' {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                rest = &after[2..];
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), value);
    }

    #[test]
    fn nothing_but_dollars_and_names_changes(text in "[^$]{0,100}") {
        prop_assert_eq!(expand(&text, env), text);
    }
}

/// A `ConfigMap` volume as the kubelet makes it.
fn config_map_volume(files: &[(&str, &str)]) -> tempfile::TempDir {
    let volume = tempfile::tempdir().unwrap();
    let version = volume.path().join("..2026_01_01");
    fs::create_dir(&version).unwrap();
    symlink("..2026_01_01", volume.path().join("..data")).unwrap();
    for (name, content) in files {
        fs::write(version.join(name), content).unwrap();
        symlink(Path::new("..data").join(name), volume.path().join(name)).unwrap();
    }
    volume
}

#[test]
fn each_template_becomes_a_read_only_file() {
    let from = config_map_volume(&[("app_secret.yml", "KEY: $(VAR)\n"), (".env", "plain")]);
    let to = tempfile::tempdir().unwrap();
    assert_eq!(
        render(from.path(), to.path(), &[], env).unwrap(),
        [".env", "app_secret.yml"]
    );
    let file = to.path().join("app_secret.yml");
    assert_eq!(fs::read_to_string(&file).unwrap(), "KEY: value\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 2);
}

#[test]
fn a_file_that_is_named_executable_can_be_executed_and_no_other() {
    let from = config_map_volume(&[("start.sh", "#!/bin/sh\necho $(VAR)\n"), ("start.sh.txt", "")]);
    let to = tempfile::tempdir().unwrap();
    render(from.path(), to.path(), &["start.sh".to_owned()], env).unwrap();
    let mode = |name: &str| fs::metadata(to.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("start.sh"), mode("start.sh.txt")), (0o555, 0o444));
    let printed = std::process::Command::new(to.path().join("start.sh")).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), "value\n");
}

#[test]
fn a_second_run_replaces_what_the_first_made() {
    let to = tempfile::tempdir().unwrap();
    for content in ["one", "two"] {
        render(config_map_volume(&[("file", content)]).path(), to.path(), &[], env).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("file")).unwrap(), content);
    }
}

#[test]
fn an_error_names_the_file_and_no_value() {
    let from = config_map_volume(&[("file", "$(VAR)")]);
    let error = render(from.path(), Path::new("/nowhere"), &[], env)
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/file") && !error.contains("value"), "{error}");
    let error = render(Path::new("/nowhere"), from.path(), &[], env)
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere"), "{error}");
}

#[test]
fn a_cache_gets_no_password_that_its_url_could_not_hold() {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let settings = "port 6379\nprotected-mode yes\nrequirepass $(CACHE_PASSWORD)\nmaxmemory 1\n";
    fs::write(from.path().join("valkey.conf"), settings).unwrap();
    let with = |password: &'static str| render(from.path(), to.path(), &[], |_| Some(password.to_owned()));
    assert!(with("Abc123-._~").is_ok());
    for password in ["p%41", "p@ss", "p ss", "p#ss", "it's", "", "p\n", "pä"] {
        let message = with(password).unwrap_err().to_string();
        assert!(
            message.contains("CACHE_PASSWORD") && message.contains("REDIS_URL"),
            "{message}"
        );
        assert!(password.is_empty() || !message.contains(password), "{message}");
    }
}
