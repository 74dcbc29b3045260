//! What the documents show: every YAML block of them is read as a user would have it read.

use crate::planned::validate;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ras_core::platform;
use ras_core::platform::PlatformConfig;
use serde_json::{Map, Value, json};

use crate::drives::{facts_for, read};
use crate::examples::without_defaults;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files that users read, but for those that are generated.
fn documents() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "terraform/README.md"]
        .map(|name| repository().join(name))
        .to_vec();
    let mut folders = vec![repository().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                all.push(path);
            }
        }
    }
    all.retain(|path| path.exists());
    all
}

/// The YAML blocks of a text, each with the number of its first line.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = None;
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start();
        match &mut open {
            None if fence == "```yaml" => open = Some((number + 1, String::new())),
            Some(_) if fence == "```" => found.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// Kind and problem of a block.
fn check(block: &str) -> Result<(), String> {
    for document in block.split("\n---\n") {
        // Refuses a key that is there twice, as the operator does.
        let checked: serde_yaml::Value = serde_yaml::from_str(document).map_err(|error| error.to_string())?;
        let value = serde_json::to_value(checked).map_err(|error| error.to_string())?;
        let fields: BTreeSet<&str> = value
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .collect();
        match value["kind"].as_str() {
            Some("RecruitmentDrive") => {
                known(&value)?;
                let drive = read(document);
                validate(&drive, &facts_for(&drive), &PlatformConfig::default())
                    .map(drop)
                    .or_else(|problems| match problems.to_string() {
                        // What the platform has is not the block's matter.
                        problems
                            if ["objectStore", "secrets.store", "tenancy."]
                                .iter()
                                .any(|field| problems.contains(field)) =>
                        {
                            Ok(())
                        }
                        problems => Err(problems),
                    })?;
            }
            Some(_) => {}
            // Of Helm's values: the settings are those of the operator.
            None if fields.contains("platform") => settings(&value["platform"])?,
            None if fields.contains("resources") && fields.contains("images") => {} // A kustomization.
            None => part(&value)?,
        }
    }
    Ok(())
}

/// A part of a drive, of a service, or of the settings for all drives.
fn part(value: &Value) -> Result<(), String> {
    let drive = |spec: &Value| {
        json!({
            "apiVersion": "ras.dev/v1alpha1", "kind": "RecruitmentDrive", "metadata": {"name": "d", "namespace": "n"},
            "spec": spec,
        })
    };
    let with = |part: &Value, missing: Value| {
        let mut whole = missing;
        if let (Some(whole), Some(part)) = (whole.as_object_mut(), part.as_object()) {
            whole.extend(part.clone());
        }
        whole
    };
    let service = json!({"name": "s", "image": "portal:1"});
    let of_drive = known(&drive(&with(
        value.get("spec").unwrap_or(value),
        json!({"services": [service]}),
    )));
    let of_service = known(&drive(&json!({"services": [with(value, service)]})));
    let of_settings = settings(value);
    match (of_drive, of_service, of_settings) {
        (Err(drive), Err(service), Err(settings)) => Err(format!(
            "no part of a drive: {drive}; nor of a service: {service}; and no settings: {settings}"
        )),
        _ => Ok(()),
    }
}

fn settings(value: &Value) -> Result<(), String> {
    let text = serde_yaml::to_string(value).map_err(|error| error.to_string())?;
    platform::parse(&text).map(drop).map_err(|error| error.to_string())
}

/// True if the schema has every field.
fn known(drive: &Value) -> Result<(), String> {
    let parsed: ras_crds::RecruitmentDrive =
        serde_json::from_value(drive.clone()).map_err(|error| error.to_string())?;
    let understood = serde_json::to_value(parsed).map_err(|error| error.to_string())?;
    let comparable = |drive: &Value| {
        let mut spec = without_defaults(&drive["spec"], false);
        // Their times are understood in UTC.
        spec.as_object_mut().map(|fields| fields.remove("freezes"));
        spec
    };
    let (written, understood) = (comparable(drive), comparable(&understood));
    if written == understood {
        Ok(())
    } else {
        Err(format!("written {written}, understood {understood}"))
    }
}

#[test]
fn every_yaml_block_of_the_documents_can_be_used_as_it_is() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for (line, block) in blocks(&text) {
            count += 1;
            if let Err(why) = check(&block) {
                wrong.push(format!("{}:{line}: {why}", path.display()));
            }
        }
    }
    assert!(count > 20, "only {count} blocks were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_block_with_a_mistake_is_found() {
    for block in [
        "database: {image: a}\nstorage: {className: gp3}\ndatabase: {image: b}\n",
        "storage: {clasName: gp3}\n",
        "spec: {services: [{name: s, image: i, prots: []}]}\n",
        "platform: {objectStor: {}}\n",
        "apiVersion: ras.dev/v1alpha1\nkind: RecruitmentDrive\nmetadata: {name: d}\nspec: {services: [{name: s, image: i, env: [{name: A, secret: {name: x, key: y}}]}]}\n",
    ] {
        assert!(check(block).is_err(), "{block}");
    }
    assert_eq!(check("storage: {className: gp3}\n"), Ok(()));
    assert_eq!(check("buckets: [{name: resumes}]\n"), Ok(()));
}
