//! The definitions of our objects, as `crds/` holds them and a cluster is given them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{AttestationService, NodeTrust, TrustPool};

/// What every file of `crds/` begins with.
const HEADER: &str =
    "# Generated from src/api; after a change there: `trustpool crds --dir crds`.\n";

/// The definition of every object of ours.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        AttestationService::crd(),
        NodeTrust::crd(),
        TrustPool::crd(),
    ];
    let schemas = crds
        .iter_mut()
        .flat_map(|crd| &mut crd.spec.versions)
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    schemas.for_each(tidy);
    crds
}

/// The name and the contents of every file of `crds/`.
///
/// # Errors
///
/// A definition that cannot be written as YAML.
pub fn crds_yaml() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    let file = |crd: CustomResourceDefinition| {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let yaml = serde_saphyr::to_string(&crd)?;
        Ok((format!("{name}.yaml"), format!("{HEADER}{yaml}")))
    };
    crds().into_iter().map(file).collect()
}

/// Takes out of a schema what an API server warns about, or would store in two forms.
fn tidy(schema: &mut JSONSchemaProps) {
    // With it a null would be stored; without it the API server drops the field, so that an object
    // has one form for what is not said.
    schema.nullable = None;
    // Formats that only schemars knows: uint32.
    if schema.type_.as_deref() == Some("integer") {
        schema.format = Some("int64".to_owned());
    }
    // Where our lines end is no matter of `kubectl explain`, which wraps by itself.
    schema.description = schema
        .description
        .take()
        .map(|text| text.replace('\n', " "));
    schema
        .properties
        .iter_mut()
        .flatten()
        .for_each(|(_, property)| tidy(property));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}
