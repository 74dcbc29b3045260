//! What people write wrongly is answered with a sentence at every field, never with a regular expression or a number alone.

use ras_crds::sentences;
use ras_tests::Error;
use serde_json::{Value, json};

use super::{
    cluster::{drive, drives, schema_cluster, spec_schema, tried},
    generate::Generator,
    random::Random,
};

/// One field, with what leads to it from the spec: names of fields, `[]` and `{}`.
struct Field {
    path: Vec<String>,
    schema: Value,
}

fn fields(path: &[String], schema: &Value, found: &mut Vec<Field>) {
    found.push(Field {
        path: path.to_vec(),
        schema: schema.clone(),
    });
    let below = |step: &str| [path, &[step.to_owned()]].concat();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        fields(&below(name), field, found);
    }
    for (key, step) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema.get(key).is_some() {
            fields(&below(step), &schema[key], found);
        }
    }
}

/// A value of the schema in which just the fields on the path are there, and those that are required.
fn with(path: &[String], schema: &Value, name: &str, value: &Value, generator: &mut Generator<'_>) -> Value {
    let Some((step, rest)) = path.split_first() else {
        return value.clone();
    };
    match step.as_str() {
        "[]" => json!([with(rest, &schema["items"], name, value, generator)]),
        "{}" => json!({"memory": with(rest, &schema["additionalProperties"], name, value, generator)}),
        step => {
            let mut object = generator.value(name, schema);
            object[step] = with(rest, &schema["properties"][step], step, value, generator);
            object
        }
    }
}

#[tokio::test]
async fn every_field_with_a_form_and_every_list_with_a_length_answers_with_a_sentence() -> Result<(), Error> {
    let namespace = schema_cluster().await?.namespace("sentences").await?;
    let drives = drives(&namespace);
    let schema = spec_schema();
    let mut all = Vec::new();
    fields(&[], &schema, &mut all);
    let (mut forms, mut lengths, mut wrong) = (0, 0, Vec::new());
    for Field { path, schema: field } in &all {
        let rules = field["x-kubernetes-validations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for message in rules
            .iter()
            .filter_map(|rule| rule["message"].as_str())
            .filter(|message| sentences::is_shared(message))
        {
            let mut generator = Generator {
                random: Random::of_case(1, 1),
                spec: &schema,
                density: 0,
            };
            let value = if sentences::of_patterns().any(|sentence| sentence == message) {
                forms += 1;
                let least = usize::try_from(field["minLength"].as_u64().unwrap_or(2)).unwrap();
                json!(format!("= {}", " ".repeat(least)))
            } else {
                lengths += 1;
                let limit: usize = message.split(' ').nth(5).unwrap().parse().unwrap();
                too_many(path.last().unwrap(), field, limit + 1, &mut generator)
            };
            let wanted = with(path, &schema, "spec", &value, &mut generator);
            let last = path.iter().rev().find(|step| !step.starts_with(['[', '{'])).unwrap();
            match tried(&drives, &drive("wrong", &wanted)).await {
                Ok(_) => wrong.push(format!("{path:?} is accepted")),
                Err(causes) => {
                    let is_answered = causes
                        .iter()
                        .any(|(field, said)| field.contains(last.as_str()) && said.contains(message));
                    let is_bare = causes.iter().any(|(_, said)| {
                        said.contains("should match") || said.contains("Too many") || said.contains("must have at most")
                    });
                    if !is_answered || is_bare {
                        wrong.push(format!("{path:?} should say {message:?}: {causes:?}"));
                    }
                }
            }
        }
    }
    println!("{forms} forms and {lengths} lengths");
    assert!(forms >= 87 && lengths >= 50, "{forms} forms and {lengths} lengths");
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    namespace.delete().await
}

/// A list or map with this many entries.
fn too_many(name: &str, schema: &Value, count: usize, generator: &mut Generator<'_>) -> Value {
    if schema["type"] == "object" {
        return (0..count)
            .map(|index| {
                (
                    format!("example.com/k{index}"),
                    generator.value(name, &schema["additionalProperties"]),
                )
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
    }
    let key = schema["x-kubernetes-list-map-keys"][0].as_str();
    (0..count)
        .map(|index| match (key, schema["items"]["type"] == "string") {
            (Some(key), _) => {
                let mut item = generator.value(name, &schema["items"]);
                item[key] = if key == "path" {
                    json!(format!("/f{index}"))
                } else {
                    json!(format!("n{index}"))
                };
                item
            }
            (None, true) => json!(format!("n{index}")),
            (None, false) => generator.value(name, &schema["items"]),
        })
        .collect()
}
