//! Removes images with the minimum of calls, as the baseline of `make bench-peers`.
//!
//!     floor FILE
//!
//! The file contains the IDs of the images to remove, one per line. The program lists the images, and
//! deregisters those in the file together with their snapshots, below the rate limit. It checks nothing,
//! so it is only useful for this comparison. It connects only to this computer.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;

use steward::cloud::{ImageReader, ImageWriter};
use steward::model::{ImageId, SnapshotFate};
use steward_aws::{Connect, Connection};

/// The account ID, which no call here depends on.
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
