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
    for service in spec["services"].as_array_mut().into_iter().flatten() {
        let ports = names(&service["ports"]);
        for probing in ["probe", "metrics"] {
            if service.get(probing).is_some() && !ports.is_empty() {
                service[probing]["port"] = random.pick(&ports).clone();
            }
        }
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
            if let Some(env) = sidecar.get_mut("env") {
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
