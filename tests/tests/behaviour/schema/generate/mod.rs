//! Drives generated from the schema of the CRD: every field, with values that people write and values that nobody should.
//!
//! The schema alone knows nothing of what its rules ask for, so most of what it allows is rejected. `linked` makes
//! references lead somewhere, and `repaired` changes what the API server names until it accepts the drive.

mod references;
mod repair;
mod values;

pub(super) use repair::repaired;

use serde_json::{Map, Value, json};

use super::random::Random;
use references::linked;
use values::{FORMS, MAP_KEYS, NAMED, TIMES, WORDS};

/// Makes values of a schema.
pub(super) struct Generator<'a> {
    pub(super) random: Random,
    pub(super) spec: &'a Value,
    /// How many of 100 optional fields are there.
    pub(super) density: usize,
}

impl Generator<'_> {
    /// A spec.
    pub(super) fn spec(&mut self) -> Value {
        let schema = self.spec;
        let mut spec = self.value("spec", schema);
        linked(&mut spec, &mut self.random);
        spec
    }

    /// A value of a field with this name and schema.
    pub(super) fn value(&mut self, name: &str, schema: &Value) -> Value {
        if schema["x-kubernetes-int-or-string"] == true {
            return self.quantity();
        }
        if let Some(values) = schema["enum"].as_array() {
            return self.random.pick(values).clone();
        }
        match schema["type"].as_str() {
            Some("object") if schema["properties"].is_object() => self.object(schema),
            Some("object") => self.map(name, schema),
            Some("array") => self.array(name, schema),
            Some("boolean") => json!(self.random.chance(60)),
            Some("integer") => self.integer(schema),
            Some("string") if schema["format"] == "date-time" => json!(self.random.pick(TIMES)),
            Some("string") => json!(self.text(name, schema)),
            other => panic!("{name} has a type that the generator does not know: {other:?}"),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut object = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if required.contains(&name.as_str()) || self.random.chance(self.density) {
                object.insert(name.clone(), self.value(name, field));
            }
        }
        Value::Object(object)
    }

    fn map(&mut self, name: &str, schema: &Value) -> Value {
        let keys = MAP_KEYS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(WORDS, |(_, keys)| keys);
        let count = self.random.below(4);
        (0..count)
            .map(|_| {
                let key = (*self.random.pick(keys)).to_owned();
                (key, self.value(name, &schema["additionalProperties"]))
            })
            .collect::<Map<_, _>>()
            .into()
    }

    fn array(&mut self, name: &str, schema: &Value) -> Value {
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let count = least.max(u64::try_from(*self.random.pick(&[0, 1, 1, 1, 2, 2, 3])).unwrap());
        let key = schema["x-kubernetes-list-map-keys"][0].as_str();
        let is_set = schema["x-kubernetes-list-type"] == "set";
        let mut items: Vec<Value> = Vec::new();
        for _ in 0..count {
            let item = self.value(name, &schema["items"]);
            let is_there = items.iter().any(|other| match key {
                Some(key) => other[key] == item[key],
                None => is_set && *other == item,
            });
            if !is_there {
                items.push(item);
            }
        }
        Value::Array(items)
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let least = schema["minimum"].as_i64().unwrap_or(0);
        let most = schema["maximum"].as_i64().unwrap_or(1000);
        let near = |n: i64| n.clamp(least, most);
        json!(*self.random.pick(&[
            least,
            most,
            near(least + 1),
            near(80),
            near(3),
            near(1),
            near(8080),
            near(2048),
            near(17)
        ]))
    }

    fn quantity(&mut self) -> Value {
        const TEXTS: &[&str] = &[
            "1", "250m", "64Mi", "1Gi", "2", "100m", "128Mi", "20Gi", "1k", "1e3", "0.5", "2Mi", "512Mi", "1.5Gi",
            "1n", "1u", "+1", "5E", "7Ei", "0", "1500m", "512m", "9Ei", "-1", "1e-3", ".5", "1.",
        ];
        match self.random.below(20) {
            0 => json!(1),
            1 => json!(0),
            2 => json!(1_073_741_824),
            _ => json!(self.random.pick(TEXTS)),
        }
    }

    fn text(&mut self, name: &str, schema: &Value) -> String {
        let rules = schema["x-kubernetes-validations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let of_form = FORMS.iter().find(|(begin, _)| {
            rules.iter().any(|rule| {
                rule["message"]
                    .as_str()
                    .is_some_and(|message| message.starts_with(begin))
            })
        });
        let named = NAMED.iter().find(|(known, _)| *known == name);
        let choices = of_form.or(named).map_or(WORDS, |(_, choices)| choices);
        let mut text = (*self.random.pick(choices)).to_owned();
        let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0)).unwrap();
        let most = usize::try_from(schema["maxLength"].as_u64().unwrap_or(64))
            .unwrap()
            .min(400);
        match self.random.below(40) {
            // As long as it may be.
            0 => {
                let fill = text.chars().last().unwrap_or('a');
                while text.chars().count() < most {
                    text.push(fill);
                }
            }
            // Anything that can be typed.
            1 => {
                let count = 1 + self.random.below(6);
                text = (0..count)
                    .map(|_| char::from(u8::try_from(32 + self.random.below(95)).unwrap()))
                    .collect();
            }
            _ => {}
        }
        while text.chars().count() < least {
            text.push('x');
        }
        text.chars().take(most).collect()
    }
}
