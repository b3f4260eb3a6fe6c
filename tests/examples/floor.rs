//! The fewest calls that remove images: what `make bench-peers` compares other tools with.
//!
//!     floor FILE
//!
//! The file has the ids of the images to remove, a line for each. The program lists the images, and
//! deregisters those of the file together with their snapshots, below the token bucket. It checks
//! nothing, so that it is of no use for anything else, and calls nothing but this computer.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;

use steward::cloud::{ImageReader, ImageWriter};
use steward::model::{ImageId, SnapshotFate};
use steward_aws::{Connect, Connection};

/// Whose account it is matters to nothing that is called here.
const ACCOUNT: &str = "123456789012";

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "the endpoint is in the environment")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file: PathBuf = std::env::args_os().nth(1).ok_or("usage: floor FILE")?.into();
    let endpoint = std::env::var("AWS_ENDPOINT_URL")?;
    if !endpoint.starts_with("http://127.0.0.1:") {
        return Err(format!("AWS_ENDPOINT_URL={endpoint}: not http://127.0.0.1:PORT").into());
    }
    let wanted = std::fs::read_to_string(file)?;
    let wanted: BTreeSet<ImageId> = wanted.lines().map(str::parse).collect::<Result<_, _>>()?;
    let options = Connect { endpoint: Some(endpoint), ..Connect::default() };
    let aws = Connection::prepare(options).await?.into_account(ACCOUNT.parse()?);
    for image in aws.list_images().await?.images {
        if wanted.contains(&image.image_id) {
            aws.deregister(&image.image_id, SnapshotFate::DeleteWithImage, &|| true).await?;
        }
    }
    Ok(())
}
