//! What others write, changed at random: nothing of it makes the operator panic, and nothing that is shown misleads. Seconds in CI;
//! `make fuzz MINUTES=60` tries more.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use ras_core::database::report::Report;
use ras_core::fetched::Fetched;
use ras_core::fetched::pods::said;
use ras_core::platform::{self, PlatformConfig};
use ras_core::redaction::redacted;
use ras_core::validate::size::too_large;
use ras_crds::{Duration, Quantity, RecruitmentDrive};
use ras_operator::render::expand;
use serde_json::{Value, json};

use crate::drives::facts_for;
use crate::planned::{build, validate};
use crate::seeds::run_of;

/// One change of bytes.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Repeat(Index, Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let fragments = vec![
        "\0",
        "\u{1b}[31m",
        "\u{202e}",
        "\u{feff}",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "\\",
        ":",
        ": ",
        "\n",
        "\n  - ",
        "&a",
        "*a",
        "!!binary ",
        "<<: ",
        "null",
        "~",
        "-1",
        "1e999",
        "0x",
        "99999999999999999999",
        "%s",
        "$(",
        "..",
        "://",
        "@",
        "password=",
        "-----BEGIN X-----",
        "-----END X-----",
    ];
    let text = prop::sample::select(fragments).prop_map(|text| text.as_bytes().to_vec());
    let edit = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), text).prop_map(|(at, text)| Edit::Insert(at, text)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Repeat(from, to)),
    ];
    prop::collection::vec(edit, 0..8)
}

fn mutated(text: &str, edits: &[Edit]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for edit in edits {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        // A piece, and not all: what is left should still resemble something.
        let piece = |from: &Index, to: &Index| {
            let from = from.index(length);
            from..(from + to.index(64)).min(length)
        };
        match edit {
            Edit::Set(at, byte) => bytes[at.index(length)] = *byte,
            Edit::Insert(at, text) => {
                let at = at.index(length);
                bytes.splice(at..at, text.iter().copied());
            }
            Edit::Cut(from, to) => drop(bytes.drain(piece(from, to))),
            Edit::Repeat(from, to) => {
                let copy = bytes[piece(from, to)].to_vec();
                bytes.extend(copy);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn examples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    all.sort();
    let drives = all.iter().map(|path| fs::read_to_string(path).unwrap());
    drives.map(|text| serde_yaml::from_str(&text).unwrap()).collect()
}

/// Pointers to everything in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(list) => {
            let items = list.iter().enumerate();
            items.for_each(|(index, item)| places(item, &format!("{at}/{index}"), found));
        }
        Value::Object(map) => {
            let fields = map.iter();
            fields.for_each(|(key, item)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(item, &format!("{at}/{key}"), found);
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e300),
            json!(0.1),
            json!(""),
            json!([]),
            json!({}),
            json!("-"),
            json!("a".repeat(5000)),
            json!("\u{202e}\u{0}"),
            json!("1e1000Gi"),
            json!("8Ei"),
            json!("99999d"),
            json!("0s"),
            json!("../.."),
            json!("$(A)"),
            json!("*"),
            json!("::/0"),
            json!("0 0 31 2 *"),
        ]),
        ".{0,20}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(run_of("drives that were changed at random", 96))]

    #[test]
    fn no_changed_drive_makes_the_operator_panic(
        example in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), prop_oneof![replacement().prop_map(Some), Just(None)], any::<Index>()), 0..6),
    ) {
        let examples = examples();
        let mut drive = example.get(&examples).clone();
        for (place, value, other) in changes {
            let mut all = Vec::new();
            places(&drive, "", &mut all);
            // Something of the same drive in the place of something else, or a value from outside.
            let value = value.unwrap_or_else(|| drive.pointer(&all[other.index(all.len())]).cloned().unwrap_or_default());
            if let Some(at) = drive.pointer_mut(&all[place.index(all.len())]) {
                *at = value;
            }
        }
        let Ok(drive) = serde_json::from_value::<RecruitmentDrive>(drive) else { return Ok(()) };
        let _ = too_large(&drive.spec);
        for fetched in [Fetched::default(), facts_for(&drive)] {
            for platform in [PlatformConfig::default(), platform::parse(&file("tests/golden/platform.yaml")).unwrap()] {
                match validate(&drive, &fetched, &platform) {
                    Ok(valid) => {
                        let desired = build(&valid);
                        prop_assert!(desired.manifests().is_ok());
                    }
                    Err(errors) => prop_assert!(!errors.to_string().is_empty()),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(run_of("texts that were changed at random", 400))]

    #[test]
    fn no_changed_setting_of_the_platform_makes_the_operator_panic(edits in edits()) {
        let text = mutated(&file("tests/golden/platform.yaml"), &edits);
        match platform::parse(&text) {
            Ok(platform) => {
                let drive = crate::drives::with_spec("services: [{name: s, image: a, ports: [{name: http, port: 80, path: /}]}]\nexposure: {host: a.example.edu}");
                if let Ok(valid) = validate(&drive, &Fetched::default(), &platform) {
                    prop_assert!(build(&valid).manifests().is_ok());
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn no_changed_report_of_a_job_makes_the_operator_panic_or_shows_control_characters(edits in edits()) {
        let whole = Report { done: vec!["created the database a".to_owned()], ..Report::default() }.message();
        let text = mutated(&whole, &edits);
        if let Some(report) = Report::parse(&text) {
            let shown = report.plain();
            prop_assert!(shown.done.iter().all(|line| !line.chars().any(char::is_control)));
            prop_assert!(shown.message().len() <= 4096);
        }
        let shown = said(&text);
        prop_assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{0}']), "{shown:?}");
    }

    #[test]
    fn no_changed_output_shows_what_was_a_credential(edits in edits(), line in 0..6_usize) {
        let lines = [
            "PGPASSWORD=hunter-22-x psql", "connect postgres://app:hunter-22-x@db:5432/a", "Authorization: Bearer hunter-22-x",
            "{\"password\":\"hunter-22-x\"}", "mysql --password hunter-22-x", "root:hunter-22-x@tcp(db:3306)/a",
        ];
        // Around it, and not in it: then it would be something else.
        let noise = mutated("2026-07-01 ERROR migration failed: relation exists\n", &edits);
        let shown = redacted(&format!("{noise}\n{}\n{noise}", lines[line]));
        prop_assert!(!shown.contains("hunter-22-x"), "{shown}");
    }

    #[test]
    fn no_text_of_a_duration_or_a_quantity_overflows(text in "[0-9]{0,30}[.]?[0-9]{0,30}[eE+-]{0,2}[0-9]{0,6}[a-zA-Zµ]{0,3}|.{0,20}") {
        if let Some(millis) = Quantity::new(text.clone()).millis() {
            prop_assert_eq!(Quantity::new(text.clone()).millis(), Some(millis));
        }
        let _ = Duration::new(text).seconds();
    }

    #[test]
    fn no_changed_template_makes_the_operator_panic(edits in edits(), value in ".{0,20}") {
        let template = mutated("a: $(A)\nb: $$(A) $(A:yaml) $(B:json) $(A:shell) $(A:url) $(\n", &edits);
        let expanded = expand(&template, |name| (name == "A").then(|| value.clone()));
        prop_assert!(expanded.len() <= template.len() + 64 * (value.len() + 2) * 12);
    }
}
