use super::*;

const HEAD: &str = r#""format":1,"account":"123456789012","region":"eu-central-1","taken_at":"2026-01-01T00:00:00Z""#;

fn read(rest: &str) -> Result<Inventory, String> {
    Inventory::from_json(&format!("{{{HEAD},{rest}}}")).map_err(|error| error.to_string())
}

#[test]
fn another_format_is_rejected_first() {
    let of = |format: &str| {
        let text = format!("{{{format}\"account\":\"123456789012\",\"kept_by\":[1]}}");
        Inventory::from_json(&text).unwrap_err().to_string()
    };
    let again =
        "create the inventory again with this version (`image-steward inventory --out FILE`)";
    let reads = "this version of image-steward reads a saved inventory with format 1";
    let newer = format!("format 2 is not supported: {reads}; update image-steward, or {again}");
    assert_eq!(of("\"format\":2,"), newer);
    assert_eq!(of("\"format\":0,"), format!("format 0 is not supported: {reads}; {again}"));
    assert_eq!(of(""), format!("`format` is missing: {reads}; {again}"));
    assert!(of("\"format\":1,").starts_with("kept_by: unknown field `kept_by`"));
    assert!(of("\"format\":1,\"format\":2,").contains("duplicate field `format`"));
}

#[test]
fn optional_fields_may_be_absent() {
    let world = read(r#""images":[{"image_id":"ami-1"}],"references":[]"#).unwrap();
    let image = &world.images[0];
    assert_eq!((image.state, image.protected), (ImageState::Unknown, false));
    assert_eq!((&image.owner_id, image.created_at), (&None, None));
}

#[test]
fn missing_references_are_an_error() {
    assert!(read(r#""images":[]"#).unwrap_err().contains("missing field `references`"));
}

#[test]
fn a_misspelled_field_is_reported_with_its_path() {
    let error =
        read(r#""images":[{"image_id":"ami-1","is_protected":true}],"references":[]"#).unwrap_err();
    assert!(error.starts_with("images[0].is_protected: unknown field"), "{error}");
}

#[test]
fn an_image_listed_twice_is_an_error() {
    let error = read(r#""images":[{"image_id":"ami-1"},{"image_id":"ami-1"}],"references":[]"#)
        .unwrap_err();
    assert!(error.starts_with("ami-1 appears twice"), "{error}");
}

#[test]
fn every_protection_except_disabled_protects() {
    for (form, protected) in [
        ("true", true),
        ("false", false),
        ("null", false),
        (r#""disabled""#, false),
        (r#""enabled-with-cooldown""#, true),
        (r#""disabled after 2026-01-02T00:00:00Z""#, true),
    ] {
        let world = read(&format!(
            r#""images":[{{"image_id":"ami-1","protected":{form}}}],"references":[]"#
        ))
        .unwrap();
        assert_eq!(world.images[0].protected, protected, "{form}");
    }
}

#[test]
fn unread_accepts_a_name_or_an_object() {
    let world = read(
        r#""images":[],"references":[],"unread":["instances",{"source":"launch_templates","error":"denied","permission":"ec2:X"}]"#,
    )
    .unwrap();
    assert_eq!(world.unread[0].to_string(), "instances: not read");
    assert_eq!(world.unread[1].to_string(), "launch_templates: denied (missing permission: ec2:X)");
}
