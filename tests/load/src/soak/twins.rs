//! Whether drives are the same after all that happened as if they had just been made.
//!
//! Each drive has a twin: the same object in a namespace where nothing ever happened, made by an operator that was just
//! started. What the two have become has to be equal, so nobody has to write down what a drive becomes.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kube::api::DynamicObject;
use ras_crds::RecruitmentDrive;
use serde_json::Value;

use super::look::Objects;

/// Differences between a drive's children and its twin's.
pub fn differences(drive: &RecruitmentDrive, mine: &Objects, twin: &RecruitmentDrive, its: &Objects) -> Vec<String> {
    let (mine, its) = (comparable(drive, mine), comparable(twin, its));
    let mut differences = Vec::new();
    for (name, value) in &mine {
        match its.get(name) {
            None => differences.push(format!("{name}: is there, and its twin has none")),
            Some(other) => differ(name, value, other, &mut differences),
        }
    }
    let lost = its.keys().filter(|name| !mine.contains_key(*name));
    differences.extend(lost.map(|name| format!("{name}: is lost, and its twin has one")));
    let whose = format!("{}/{}", drive.namespace().unwrap_or_default(), drive.name_any());
    differences.into_iter().map(|text| format!("{whose}: {text}")).collect()
}

fn comparable(drive: &RecruitmentDrive, objects: &Objects) -> BTreeMap<String, Value> {
    let namespace = drive.namespace().unwrap_or_default();
    // A database's request names it.
    let uid = drive.uid().unwrap_or_else(|| "no UID".to_owned());
    let buckets: Vec<String> = drive
        .status
        .iter()
        .flat_map(|status| status.buckets.iter().map(|line| line.bucket.clone()))
        .collect();
    let mut found = BTreeMap::new();
    for (name, object) in objects {
        // A Job speaks for what once had to be done, and how often that was is history.
        if name.starts_with("Job/") {
            continue;
        }
        let mut text = essence(object, name.starts_with("Secret/")).to_string();
        for bucket in &buckets {
            text = text.replace(bucket.as_str(), "BUCKET");
        }
        text = text.replace(&namespace, "NAMESPACE").replace(&uid, "UID");
        found.insert(name.clone(), serde_json::from_str(&text).unwrap_or_default());
    }
    found
}

/// The part of an object that the operator decides, without names, UIDs and times.
fn essence(object: &DynamicObject, is_secret: bool) -> Value {
    let mut value = object.data.clone();
    let mut labels = object.labels().clone();
    labels.remove("ras.dev/drive-uid");
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
        fields.insert("labels".to_owned(), serde_json::to_value(labels).unwrap_or_default());
        // Random values, of which the keys have to be the same.
        if let Some(data) = fields.get_mut("data").filter(|_| is_secret) {
            for value in data.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
                *value = Value::Null;
            }
        }
        let given = ["clusterIP", "clusterIPs", "volumeName", "ipFamilies", "ipFamilyPolicy"];
        if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
            for name in given {
                spec.remove(name);
            }
            // The autoscaler's, or somebody's who scales by hand.
            spec.remove("replicas");
        }
        // What a secret's present value is, and when somebody restarted it.
        if let Some(template) = fields
            .get_mut("spec")
            .and_then(|spec| spec.pointer_mut("/template/metadata/annotations"))
            .and_then(Value::as_object_mut)
        {
            template.retain(|name, _| !name.contains("secrets"));
        }
    }
    value
}

/// Names the places where two values differ.
fn differ(place: &str, mine: &Value, its: &Value, differences: &mut Vec<String>) {
    match (mine, its) {
        (Value::Object(one), Value::Object(other)) => {
            for (name, value) in one {
                differ(
                    &format!("{place}/{name}"),
                    value,
                    other.get(name).unwrap_or(&Value::Null),
                    differences,
                );
            }
            for (name, value) in other.iter().filter(|(name, _)| !one.contains_key(*name)) {
                differ(&format!("{place}/{name}"), &Value::Null, value, differences);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (value, twin)) in one.iter().zip(other).enumerate() {
                differ(&format!("{place}/{index}"), value, twin, differences);
            }
        }
        _ if mine == its => {}
        _ => differences.push(format!("{place}: {mine} here, {its} there")),
    }
}
