//! The `CustomResourceDefinition` as people install it, made from the types.
//!
//! kube's own [`CustomResourceExt::crd`] gives the names, the columns and the rules; the schema is made here
//! once more, so that `kubectl explain` reads well (see `Readable`).

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use kube::core::schema::StructuralSchemaRewriter;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value};

use crate::{RecruitmentDrive, sentences};

/// The `CustomResourceDefinition` of `RecruitmentDrive`.
///
/// # Errors
/// When the schema is none that Kubernetes knows, which would be a mistake in this crate.
pub fn custom_resource_definition() -> Result<CustomResourceDefinition, SchemaError> {
    let mut definition = RecruitmentDrive::crd();
    let mut schema: Value = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(Readable)
        .with_transform(StructuralSchemaRewriter)
        .into_generator()
        .into_root_schema_for::<RecruitmentDrive>()
        .to_value();
    if let Some(spec) = schema.pointer_mut("/properties/spec") {
        atomic_where_empty_is_valid(spec);
        sentences::put("spec", spec)?;
    }
    for version in &mut definition.spec.versions {
        if let Some(validation) = &mut version.schema {
            validation.open_api_v3_schema = Some(serde_json::from_value(schema.clone())?);
        }
    }
    Ok(definition)
}

/// The `CustomResourceDefinition` as JSON, with whole numbers written as whole numbers.
///
/// # Errors
/// As [`custom_resource_definition`].
pub fn custom_resource_definition_json() -> Result<Value, SchemaError> {
    let mut json = serde_json::to_value(custom_resource_definition()?)?;
    whole_numbers(&mut json);
    Ok(json)
}

/// The `CustomResourceDefinition` as YAML.
///
/// It goes through JSON first: written directly, YAML enums of Rust become `!tags` that Kubernetes cannot read.
///
/// # Errors
/// As [`custom_resource_definition`].
pub fn custom_resource_definition_yaml() -> Result<String, SchemaError> {
    Ok(serde_yaml::to_string(&custom_resource_definition_json()?)?)
}

/// Why the definition could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// As JSON.
    #[error("the definition cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// As YAML.
    #[error("the definition cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// A pattern or a bound that the API server would explain badly.
    #[error("there is no sentence in crds/src/sentences.rs for {0}")]
    NoSentence(String),
    /// As text for people.
    #[error("the reference cannot be written: {0}")]
    Text(#[from] std::fmt::Error),
}

/// Makes the schema read well for people, and say the same to CEL as to Rust:
///
/// - the lines of a doc comment's paragraph become one line, which `kubectl` breaks where the terminal ends;
/// - a field whose type is an enum keeps its own description, followed by what each value means;
/// - an optional field is absent and never `null`: the API server takes `null` out of what it stores, where a
///   nullable field would keep it, be there to CEL (`has()` is true) and break every rule that looks into it.
#[derive(Clone, Debug)]
struct Readable;

impl Transform for Readable {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        join_lines(object);
        not_null(object);
        name_values(object);
    }
}

/// One line a paragraph; a list keeps its lines.
fn join_lines(schema: &mut Map<String, Value>) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        let paragraphs: Vec<String> = description
            .split("\n\n")
            .map(|paragraph| {
                let separator = if paragraph.starts_with("- ") { "\n" } else { " " };
                paragraph.lines().map(str::trim).collect::<Vec<_>>().join(separator)
            })
            .collect();
        *description = paragraphs.join("\n\n");
    }
}

/// `Option<T>` as schemars writes it becomes `T`; what the field says of itself wins over what `T` says.
fn not_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = schema.get("anyOf") else {
        return;
    };
    let inner: Vec<&Value> = choices.iter().filter(|choice| !is_null(choice)).collect();
    if let ([Value::Object(inner)], true) = (inner.as_slice(), choices.len() == 2) {
        let inner = inner.clone();
        schema.remove("anyOf");
        let own_description = schema.get("description").is_some();
        for (key, value) in inner {
            if key == "description" && own_description {
                if let (Some(Value::String(own)), Some(values)) = (schema.get_mut(&key), values_paragraph(&value)) {
                    own.push_str("\n\n");
                    own.push_str(values);
                }
                continue;
            }
            schema.entry(key).or_insert(value);
        }
    }
}

/// Marks every object for which `{}` is valid as atomic, so that server-side apply writes it whole.
///
/// Server-side apply merges the fields of an object that is not atomic one by one. When the last of them is removed, it
/// leaves `null` instead of `{}`, and the API server rejects that: `cache: {memory: 64Mi}` could never become `cache: {}`
/// again. An object with a required field is never empty, and keeps one owner per field.
fn atomic_where_empty_is_valid(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if schema.get("type").is_some_and(|kind| kind == "object") && !schema.contains_key("required") {
        schema.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            atomic_where_empty_is_valid(inner);
        }
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(atomic_where_empty_is_valid);
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|name| name == "null") || schema.get("const").is_some_and(Value::is_null)
}

/// Begins the paragraph that tells what each value of an enum means.
const VALUES: &str = "- `";

/// The part of an enum's description that tells what each value means.
fn values_paragraph(description: &Value) -> Option<&str> {
    let text = description.as_str()?;
    if text.starts_with(VALUES) {
        return Some(text);
    }
    text.find(&format!("\n\n{VALUES}")).and_then(|at| text.get(at + 2..))
}

/// An enum with documented values becomes a plain list of values, and what they mean goes into the description.
fn name_values(schema: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else {
        return;
    };
    let mut names = Vec::new();
    let mut lines = Vec::new();
    for choice in choices {
        let Some(name) = choice.get("const").and_then(Value::as_str) else {
            return;
        };
        names.push(Value::from(name));
        if let Some(meaning) = choice.get("description").and_then(Value::as_str) {
            lines.push(format!("{VALUES}{name}`: {meaning}"));
        }
    }
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), Value::Array(names));
    let own = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{own}\n\n{}", lines.join("\n"));
    schema.insert("description".to_owned(), description.trim().into());
}

/// `1000.0` becomes `1000`: the Rust type of limits is a floating point number.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::float_cmp)]
fn whole_numbers(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64()) {
                // Limits here are far below 2^53, where both forms are the same number.
                let whole = float as i64;
                if whole as f64 == float {
                    *json = whole.into();
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
