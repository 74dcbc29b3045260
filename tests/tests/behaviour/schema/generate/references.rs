//! Makes references of a generated drive lead to what it has.

use serde_json::{Value, json};

use super::super::random::Random;
use super::values::WORDS;

/// Names of entries of a list.
fn names(list: &Value) -> Vec<Value> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|entry| entry["name"].clone())
        .collect()
}

/// Makes most references lead to something that is there.
#[allow(clippy::too_many_lines, reason = "one step for each kind of reference")]
pub(super) fn linked(spec: &mut Value, random: &mut Random) {
    let secrets = names(&spec["secrets"]);
    let buckets = names(&spec["buckets"]);
    let databases = names(&spec["database"]["databases"]);
    let has_cache = spec.get("cache").is_some();
    let fix_uses = |uses: &mut Value, random: &mut Random| {
        for (field, known) in [("buckets", &buckets), ("databases", &databases)] {
            if uses.get(field).is_some() {
                uses[field] = known.iter().filter(|_| random.chance(70)).cloned().collect();
            }
        }
        if uses.get("cache").is_some() && !has_cache {
            uses["cache"] = json!(false);
        }
    };
    let fix_env = |env: &mut Value, bindings: &[Value], random: &mut Random| {
        for variable in env.as_array_mut().into_iter().flatten() {
            let sources = ["value", "secret", "bucket", "database", "binding", "cache"];
            let there: Vec<_> = sources
                .iter()
                .filter(|source| variable.get(**source).is_some())
                .copied()
                .collect();
            let keep = if there.is_empty() {
                "value"
            } else {
                *random.pick(&there)
            };
            for source in there.iter().filter(|source| **source != keep) {
                variable.as_object_mut().unwrap().remove(*source);
            }
            let known: &[Value] = match keep {
                "secret" => &secrets,
                "bucket" => &buckets,
                "database" => &databases,
                "binding" => bindings,
                _ => &[],
            };
            if keep == "value" || known.is_empty() && (keep != "cache" || !has_cache) {
                variable.as_object_mut().unwrap().remove(keep);
                variable["value"] = json!(*random.pick(WORDS));
            } else if keep != "cache" {
                variable[keep]["name"] = random.pick(known).clone();
            }
        }
    };
    link_hosts(spec, random);
    link_exposure(spec, random);
    let volumes = names(&spec["volumes"]);
    let mut earlier: Vec<Value> = Vec::new();
    for service in spec["services"].as_array_mut().into_iter().flatten() {
        let ports = names(&service["ports"]);
        if service.get("metrics").is_some() && !ports.is_empty() {
            service["metrics"]["port"] = random.pick(&ports).clone();
        }
        link_probe(service, random);
        link_parts(service, &volumes, &secrets, random);
        if service.get("after").is_some() {
            // Never in a circle.
            service["after"] = earlier.iter().filter(|_| random.chance(50)).cloned().collect();
        }
        earlier.push(service["name"].clone());
        if let Some(whole) = service.get_mut("envFrom").and_then(Value::as_array_mut) {
            whole.retain(|_| !secrets.is_empty());
            for source in whole {
                source["secret"] = random.pick(&secrets).clone();
            }
        }
        let bindings = names(&service["uses"]["bindings"]);
        if let Some(uses) = service.get_mut("uses") {
            fix_uses(uses, random);
        }
        if let Some(env) = service.get_mut("env") {
            fix_env(env, &bindings, random);
        }
        for sidecar in service
            .get_mut("sidecars")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            link_probe(sidecar, random);
            if let Some(env) = sidecar.get_mut("env") {
                fix_env(env, &bindings, random);
            }
        }
        let containers = service.get_mut("initContainers").and_then(Value::as_array_mut);
        for (number, container) in containers.into_iter().flatten().enumerate() {
            container["name"] = json!(format!("before-{number}"));
            if let Some(env) = container.get_mut("env") {
                fix_env(env, &bindings, random);
            }
        }
        if let Some(migrate) = service.get_mut("migrate") {
            let bindings = if migrate.get("uses").is_some() {
                names(&migrate["uses"]["bindings"])
            } else {
                bindings
            };
            if let Some(uses) = migrate.get_mut("uses") {
                fix_uses(uses, random);
            }
            if let Some(env) = migrate.get_mut("env") {
                fix_env(env, &bindings, random);
            }
            if migrate.get("command").is_none() && migrate.get("args").is_none() {
                migrate["args"] = json!(["migrate"]);
            }
        }
        // `&service["x"]` of a field that is absent gives null, and does not make it; nothing here leaves null behind.
    }
}

/// Lets a container's probe ask a port that it has, or run a command.
fn link_probe(container: &mut Value, random: &mut Random) {
    let ports = names(&container["ports"]);
    let Some(probe) = container.get_mut("probe").and_then(Value::as_object_mut) else {
        return;
    };
    if ports.is_empty() {
        for field in ["port", "path", "grpc", "headers"] {
            probe.remove(field);
        }
        probe.insert("exec".to_owned(), json!(["check"]));
    } else {
        probe.remove("exec");
        probe.insert("port".to_owned(), random.pick(&ports).clone());
        if !probe.contains_key("path") {
            probe.remove("headers");
        }
    }
}

/// Lets volumes and files of a service lead to what is there, and leaves out what only the platform can allow.
fn link_parts(service: &mut Value, volumes: &[Value], secrets: &[Value], random: &mut Random) {
    let name = service["name"].clone();
    let list =
        |service: &'_ mut Value, field: &str| service.get_mut(field).and_then(Value::as_array_mut).map(std::mem::take);
    if let Some(mut all) = list(service, "volumes") {
        for volume in &mut all {
            if volume.get("shared").is_some() {
                let volume = volume.as_object_mut().unwrap();
                volume.remove("shared");
                if volumes.is_empty() {
                    volume.insert("scratch".to_owned(), json!({}));
                } else {
                    volume.insert("shared".to_owned(), random.pick(volumes).clone());
                }
            }
        }
        service["volumes"] = Value::Array(all);
    }
    if let Some(mut all) = list(service, "files") {
        for file in &mut all {
            if file.get("containers").is_some() {
                file["containers"] = json!([name]);
            }
            if file.get("secret").is_some() {
                let file = file.as_object_mut().unwrap();
                file.remove("content");
                if secrets.is_empty() {
                    file.remove("secret");
                    file.insert("content".to_owned(), json!("a"));
                } else {
                    file["secret"]["name"] = random.pick(secrets).clone();
                }
            }
        }
        service["files"] = Value::Array(all);
    }
    for port in service
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        port.as_object_mut().unwrap().remove("public");
    }
    if let Some(metadata) = service.get_mut("podMetadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
    }
}

/// Lets most routes be of a host and with annotations that the platform allows.
fn link_exposure(spec: &mut Value, random: &mut Random) {
    let Some(exposure) = spec.get_mut("exposure").and_then(Value::as_object_mut) else {
        return;
    };
    if random.chance(80) {
        exposure.remove("annotations");
    }
    if random.chance(80) {
        exposure.insert("host".to_owned(), json!("portal.example.edu"));
    }
}

/// Lets names lead to services that listen, or to an address.
fn link_hosts(spec: &mut Value, random: &mut Random) {
    let services: Vec<Value> = spec["services"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|service| service["ports"].as_array().is_some_and(|ports| !ports.is_empty()))
        .map(|service| service["name"].clone())
        .collect();
    let hosts = spec.get_mut("hosts").and_then(Value::as_array_mut);
    for (number, host) in hosts.into_iter().flatten().enumerate() {
        *host = if services.is_empty() {
            json!({"name": format!("host-{number}"), "address": "10.20.0.5"})
        } else {
            json!({"name": format!("host-{number}"), "service": random.pick(&services)})
        };
    }
}
