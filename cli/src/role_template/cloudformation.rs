//! A role as a template of CloudFormation.

use saphyr::{LoadableYamlNode, Yaml, YamlEmitter};
use steward_aws::PolicyDocument;

use super::Role;
use super::trust::{AUDIENCE, OpenIdConnect, PRINCIPAL_EXPECTED, PRINCIPAL_PATTERN};
use crate::outcome::CommandError;

/// The template, in YAML.
pub fn cloudformation(role: &Role<'_>) -> Result<String, CommandError> {
    let description = role.description();
    let version = env!("CARGO_PKG_VERSION");
    let (parameter, trust) = match role.trust.open_id_connect(role.policy.is_read_only()) {
        Some(provider) => (subjects(&provider), federated(&provider)),
        None => (principal(), assumed()),
    };
    let policy = indented(&yaml(role.policy)?, 12);
    Ok(format!(
        r"# Written by `image-steward permissions` {version}. The role has no fixed name, so the stack
# needs only CAPABILITY_IAM.
AWSTemplateFormatVersion: '2010-09-09'
Description: {description}

Parameters:
{parameter}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Description: {description}
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
{trust}      Policies:
        - PolicyName: image-steward
          PolicyDocument:
{policy}
Outputs:
  RoleArn:
    Description: The ARN of the role
    Value: !GetAtt Role.Arn
"
    ))
}

fn principal() -> String {
    format!(
        "  TrustedPrincipal:
    Type: String
    Description: ARN of the role, user or account that may assume the role
    AllowedPattern: '{PRINCIPAL_PATTERN}'
    ConstraintDescription: '{PRINCIPAL_EXPECTED}'
"
    )
}

fn assumed() -> String {
    "          - Sid: TrustedPrincipal
            Effect: Allow
            Principal:
              AWS: !Ref TrustedPrincipal
            Action: sts:AssumeRole
"
    .to_owned()
}

fn subjects(provider: &OpenIdConnect) -> String {
    let OpenIdConnect { pattern, expected, .. } = provider;
    format!(
        "  Subjects:
    Type: CommaDelimitedList
    Description: Subjects (claim sub) of the OpenID Connect tokens that may assume the role
    AllowedPattern: '{pattern}'
    ConstraintDescription: '{expected}'
"
    )
}

fn federated(provider: &OpenIdConnect) -> String {
    let OpenIdConnect { issuer, sid, operator, .. } = provider;
    let subject = match *operator {
        "StringEquals" => "",
        _ => "              StringLike:\n",
    };
    format!(
        "          - Sid: {sid}
            Effect: Allow
            Principal:
              Federated: !Sub arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:oidc-provider/{issuer}
            Action: sts:AssumeRoleWithWebIdentity
            Condition:
              StringEquals:
                '{issuer}:aud': {AUDIENCE}
{subject}                '{issuer}:sub': !Ref Subjects
"
    )
}

/// The document in YAML. All values are quoted: what looks like a date is none.
fn yaml(policy: &PolicyDocument) -> Result<String, CommandError> {
    let json = serde_json::to_string(policy)?;
    // JSON is YAML, and is read in the order in which it was written.
    let documents = Yaml::load_from_str(&json).map_err(std::io::Error::other)?;
    let mut text = String::new();
    let mut emitter = YamlEmitter::new(&mut text);
    emitter.quoted_value(true);
    for document in &documents {
        emitter.dump(document).map_err(std::io::Error::other)?;
    }
    Ok(text.trim_start_matches("---\n").to_owned())
}

/// The lines, each behind so many spaces.
fn indented(text: &str, by: usize) -> String {
    let spaces = " ".repeat(by);
    text.lines().map(|line| format!("{spaces}{line}\n")).collect()
}
