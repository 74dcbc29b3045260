//! What `$(VAR)` in files means, and how files are made.

use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

fn env(name: &str) -> Option<String> {
    match name {
        "VAR" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        "REF" => Some("$(VAR)".to_owned()),
        _ => None,
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
    assert_eq!(render(from.path(), to.path(), env).unwrap(), [".env", "app_secret.yml"]);
    let file = to.path().join("app_secret.yml");
    assert_eq!(fs::read_to_string(&file).unwrap(), "KEY: value\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 2);
}

#[test]
fn a_second_run_replaces_what_the_first_made() {
    let to = tempfile::tempdir().unwrap();
    for content in ["one", "two"] {
        render(config_map_volume(&[("file", content)]).path(), to.path(), env).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("file")).unwrap(), content);
    }
}

#[test]
fn an_error_names_the_file_and_no_value() {
    let from = config_map_volume(&[("file", "$(VAR)")]);
    let error = render(from.path(), Path::new("/nowhere"), env).unwrap_err().to_string();
    assert!(error.contains("/nowhere/file") && !error.contains("value"), "{error}");
    let error = render(Path::new("/nowhere"), from.path(), env).unwrap_err().to_string();
    assert!(error.contains("/nowhere"), "{error}");
}
