//! The table of objects, against the rules in CEL and against our own conversions.

use std::collections::BTreeSet;

use kube::core::DynamicObject;
use kube::core::cel::Validator;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::domain::{Orders, Pool, Record, Service};

const OBJECTS: &str = include_str!("../../tests/fixtures/objects.yaml");

/// One row of the table.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    refused: Option<Refusal>,
    object: Value,
}

/// How an object is refused.
#[derive(Debug, Deserialize)]
struct Refusal {
    by: Judge,
    at: String,
    mentions: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Judge {
    /// A rule in CEL.
    Rule,
    /// The schema, which only an API server evaluates.
    Schema,
}

impl Case {
    fn all() -> Vec<Self> {
        serde_saphyr::from_str(OBJECTS).unwrap()
    }

    fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap()
    }

    /// The object as rules see it, and controllers: created, and without nulls, which the API server
    /// drops before it looks.
    fn stored(&self) -> Value {
        let mut object = self.object.clone();
        object["apiVersion"] = json!("trustpool.dev/v1alpha1");
        object["metadata"]["creationTimestamp"] = json!("2026-01-31T12:00:00Z");
        without_nulls(object)
    }

    /// What the rules say to the object: where and what.
    fn rules(&self) -> Vec<(String, String)> {
        let crd = crds()
            .into_iter()
            .find(|crd| crd.spec.names.kind == self.kind());
        let version = crd.unwrap().spec.versions.remove(0);
        let schema = version.schema.unwrap().open_api_v3_schema.unwrap();
        let schema = serde_json::to_value(schema).unwrap();
        let errors = match Validator::new().validate(&schema, &self.stored(), None) {
            Ok(()) => Vec::new(),
            Err(errors) => errors.into_vec(),
        };
        let said = errors
            .into_iter()
            .map(|error| (error.field_path, error.message));
        said.collect()
    }

    /// What decoding and converting the object says.
    fn conversion(&self) -> Result<(), Invalid> {
        let object = self.stored();
        match self.kind() {
            "AttestationService" => {
                let service: AttestationService = decode(&object)?;
                Connection::try_from(&service)
                    .and_then(|_| Service::try_from(&service))
                    .map(drop)
            }
            "TrustPool" => {
                let pool: TrustPool = decode(&object)?;
                Pool::try_from(&pool)
                    .and_then(|_| Selector::try_from(&pool))
                    .map(drop)
            }
            _ => decode::<NodeTrust>(&object).map(|object| {
                let (_, _) = (Orders::from(&object), Record::from(&object));
            }),
        }
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, without_nulls(value)))
                .collect()
        }
        Value::Array(values) => values.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[test]
fn the_rules_refuse_what_the_table_says_and_say_where_and_what_to_do() {
    for case in Case::all() {
        let said = case.rules();

        match &case.refused {
            Some(Refusal {
                by: Judge::Rule,
                at,
                mentions,
            }) => {
                let found = said
                    .iter()
                    .any(|(path, why)| path == at && why.contains(mentions));
                assert!(found, "{}: {said:?}", case.name);
            }
            Some(Refusal {
                by: Judge::Schema, ..
            }) => {}
            None => assert!(said.is_empty(), "{}: {said:?}", case.name),
        }
    }
}

#[test]
fn the_conversions_refuse_the_same_in_the_same_words() {
    for case in Case::all() {
        let converted = case.conversion();

        match (&case.refused, converted) {
            (None, converted) => assert_eq!(converted, Ok(()), "{}", case.name),
            // What is known of a node must be read whatever else is wrong: an order that cannot be
            // obeyed is dealt with where it would be.
            (Some(_), _) if case.kind() == "NodeTrust" => {}
            (Some(_), Ok(())) => panic!("{}: converted", case.name),
            (
                Some(Refusal {
                    by: Judge::Rule,
                    at,
                    mentions,
                }),
                Err(invalid),
            ) => {
                assert!(invalid.why.contains(mentions), "{}: {invalid}", case.name);
                assert!(invalid.field.starts_with(at), "{}: {invalid}", case.name);
            }
            (Some(_), Err(_)) => {}
        }
    }
}

#[test]
fn every_rule_has_an_object_that_breaks_it() {
    let broken: BTreeSet<String> = Case::all()
        .iter()
        .flat_map(Case::rules)
        .map(|(_, message)| message)
        .collect();

    let crds = serde_json::to_value(crds()).unwrap();

    let rules = messages(&crds);
    assert!(rules.len() > 20, "{rules:?}");
    assert_eq!(rules.difference(&broken).collect::<Vec<_>>(), [""; 0]);
}

/// The messages of all rules in `schema`, but for those that compare an object with what it was: cluster tests break
/// these.
fn messages(schema: &Value) -> BTreeSet<String> {
    let own = schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array);
    let own = own.into_iter().flatten();
    let own = own.filter(|rule| !rule["rule"].as_str().unwrap().contains("oldSelf"));
    let own = own.map(|rule| rule["message"].as_str().unwrap().to_owned());
    let below: Vec<&Value> = match schema {
        Value::Object(map) => map.values().collect(),
        Value::Array(values) => values.iter().collect(),
        _ => Vec::new(),
    };
    own.chain(below.into_iter().flat_map(messages)).collect()
}

#[test]
fn an_object_that_cannot_be_read_names_the_field_and_what_it_holds() {
    let spec = |spec: Value| {
        let json = json!({
            "apiVersion": "trustpool.dev/v1alpha1",
            "kind": "TrustPool",
            "metadata": {"name": "default"},
            "spec": spec,
        });
        let object: DynamicObject = serde_json::from_value(json).unwrap();
        decode::<TrustPool>(&object).unwrap_err().to_string()
    };
    let service = json!({"name": "oat"});

    let table = [
        (
            json!({"attestationServiceRef": service, "refresh": {"interval": "1d"}}),
            "spec.refresh.interval: must be a length of time in hours, minutes, seconds or \
             milliseconds, such as 1h30m or 90s (given: \"1d\")",
        ),
        (
            json!({"attestationServiceRef": service, "nodeSelector": {"matchExpressions": [
                {"key": "node-restriction.kubernetes.io/x", "operator": "Gt"}
            ]}}),
            "spec.nodeSelector.matchExpressions[0].operator: unknown variant `Gt`, expected one of \
             `DoesNotExist`, `Exists`, `In`, `NotIn` (given: \"Gt\")",
        ),
        (
            json!({"paused": true}),
            "spec: missing field `attestationServiceRef` (given: {\"paused\":true})",
        ),
    ];
    for (given, expected) in table {
        assert_eq!(spec(given), expected);
    }
}
