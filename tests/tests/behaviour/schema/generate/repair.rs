//! Changes what the API server refused until it accepts the drive.

use serde_json::{Value, json};

use super::Generator;

/// The steps of a path such as `spec.services[0].resources.limits[cpu]`.
fn steps(path: &str) -> Vec<String> {
    path.split(['.', '[', ']'])
        .filter(|step| !step.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Changes what `path` names: removes the field or something in it that the schema does not require, or makes it anew.
pub(in super::super) fn repaired(drive: &mut Value, path: &str, generator: &mut Generator<'_>) {
    let mut place = drive;
    let mut schema = json!({"type": "object", "properties": {"spec": generator.spec.clone()}, "required": ["spec"]});
    let mut name = String::new();
    // What can be removed on the way: the last one wins.
    let steps = steps(path);
    for (depth, step) in steps.iter().enumerate() {
        let is_last = depth + 1 == steps.len();
        let next = if place.is_array() {
            schema["items"].clone()
        } else if schema["properties"].is_object() {
            schema["properties"][step].clone()
        } else {
            schema["additionalProperties"].clone()
        };
        let is_required = match place {
            Value::Array(items) => u64::try_from(items.len()).unwrap() <= schema["minItems"].as_u64().unwrap_or(0),
            _ => schema["required"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|required| required == step.as_str()),
        };
        let child_is_there = match &*place {
            Value::Array(items) => step.parse::<usize>().is_ok_and(|index| index < items.len()),
            Value::Object(fields) => fields.contains_key(step),
            _ => false,
        };
        if !child_is_there {
            break;
        }
        let child_is_container = match &*place {
            Value::Array(items) => {
                items[step.parse::<usize>().unwrap()].is_object() || items[step.parse::<usize>().unwrap()].is_array()
            }
            Value::Object(fields) => fields[step].is_object() || fields[step].is_array(),
            _ => false,
        };
        if is_last && !is_required && (!child_is_container || generator.random.chance(35)) {
            match place {
                Value::Array(items) => drop(items.remove(step.parse::<usize>().unwrap())),
                Value::Object(fields) => drop(fields.remove(step)),
                _ => {}
            }
            return;
        }
        schema = next;
        name.clone_from(step);
        place = match place {
            Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            Value::Object(fields) => fields.get_mut(step).unwrap(),
            _ => return,
        };
    }
    change(place, &schema, &name, generator);
}

/// Removes something of a value, or makes it anew.
fn change(place: &mut Value, schema: &Value, name: &str, generator: &mut Generator<'_>) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match place {
        Value::Object(fields) => {
            let optional: Vec<String> = fields
                .keys()
                .filter(|key| !required.contains(&key.as_str()))
                .cloned()
                .collect();
            let absent: Vec<String> = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.clone())
                .filter(|key| !fields.contains_key(key))
                .collect();
            if !optional.is_empty() && generator.random.chance(65) {
                fields.remove(generator.random.pick(&optional));
            } else if !absent.is_empty() {
                let key = generator.random.pick(&absent).clone();
                let value = generator.value(&key, &schema["properties"][&key]);
                fields.insert(key, value);
            } else {
                *place = generator.value(name, schema);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let index = generator.random.below(items.len());
            let least = usize::try_from(schema["minItems"].as_u64().unwrap_or(0)).unwrap();
            if items.len() > least && generator.random.chance(50) {
                items.remove(index);
            } else {
                change(&mut items[index], &schema["items"], name, generator);
            }
        }
        _ => *place = generator.value(name, schema),
    }
}
