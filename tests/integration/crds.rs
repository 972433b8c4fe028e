//! The definitions in `crds/` are the ones that the program writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use trustpool::api;

#[test]
fn the_definitions_in_crds_are_the_ones_that_the_program_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let found: BTreeMap<String, String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read_to_string(file.path()).unwrap())
        })
        .collect();

    let written: BTreeMap<String, String> = api::crds_yaml().unwrap().into_iter().collect();

    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&written));
    for (name, text) in &written {
        let stale = found[name] != *text;
        assert!(
            !stale,
            "crds/{name} is stale: run `trustpool crds --dir crds`"
        );
    }
}

#[test]
fn the_definitions_read_the_same_as_yaml() {
    let read: Vec<CustomResourceDefinition> = api::crds_yaml()
        .unwrap()
        .iter()
        .map(|(_, text)| serde_saphyr::from_str(text).unwrap())
        .collect();

    assert_eq!(read, api::crds());
}
