//! Listing instances, and reading them as references to their images.

use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName, Reservation};
use steward::cloud::{CloudError, ErrorKind};
use steward::model::{InstanceId, Reference, ReferenceKind};

use super::Aws;
use super::api_call::ApiCall;
use super::error::bad_response;

/// The maximum page size of DescribeInstances.
const PAGE: i32 = 1000;

impl Aws {
    /// All instances that run or could be started again, as references to their images.
    pub(super) async fn instances(&self) -> Result<Vec<Reference>, CloudError> {
        self.living(None).await
    }

    /// Reads one instance. `None` if it does not exist.
    pub(super) async fn instance(
        &self,
        instance: &InstanceId,
    ) -> Result<Option<Instance>, CloudError> {
        let request = self
            .clients
            .ec2
            .describe_instances()
            .instance_ids(instance.as_str())
            .include_managed_resources(true);
        let answer = match self.send(ApiCall::DescribeInstances, request.send()).await {
            Ok(answer) => answer,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = self.instances_in(answer.reservations)?;
        match found.into_iter().next() {
            Some(one) if one.instance_id() == Some(instance.as_str()) => Ok(Some(one)),
            Some(_) => {
                let message = format!("the response does not contain {instance}");
                Err(bad_response(ApiCall::DescribeInstances, message))
            }
            None => Ok(None),
        }
    }

    /// All instances except terminated ones. These are dropped here and not by a filter: a filter would
    /// have to list the states that count, and would miss unknown states.
    pub(super) async fn living(
        &self,
        filter: Option<Filter>,
    ) -> Result<Vec<Reference>, CloudError> {
        let mut found = Vec::new();
        self.each_instance(filter, |instance| {
            found.extend(self.reference_of(&instance)?);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Passes all instances that match the filter to a function, page by page. All instances of an
    /// account at once could need much memory.
    pub(super) async fn each_instance(
        &self,
        filter: Option<Filter>,
        mut take: impl FnMut(Instance) -> Result<(), CloudError> + Send,
    ) -> Result<(), CloudError> {
        let filters: Option<Vec<Filter>> = filter.map(|filter| vec![filter]);
        self.each_page(
            ApiCall::DescribeInstances,
            |token| {
                // An account can hide resources from its listings that other AWS services manage.
                let request = self
                    .clients
                    .ec2
                    .describe_instances()
                    .max_results(PAGE)
                    .include_managed_resources(true)
                    .set_filters(filters.clone())
                    .set_next_token(token);
                request.send()
            },
            |page| {
                for instance in self.instances_in(page.reservations)? {
                    take(instance)?;
                }
                Ok(page.next_token)
            },
        )
        .await?;
        Ok(())
    }

    fn instances_in(
        &self,
        reservations: Option<Vec<Reservation>>,
    ) -> Result<Vec<Instance>, CloudError> {
        let mut found = Vec::new();
        for group in self.listed(ApiCall::DescribeInstances, reservations)? {
            found.extend(self.listed(ApiCall::DescribeInstances, group.instances)?);
        }
        Ok(found)
    }

    fn reference_of(&self, instance: &Instance) -> Result<Option<Reference>, CloudError> {
        let state = instance.state().and_then(|state| state.name());
        if state == Some(&InstanceStateName::Terminated) {
            return Ok(None);
        }
        // Every instance has an image.
        let image = instance.image_id().unwrap_or_default();
        let id = instance.instance_id().unwrap_or("without an ID");
        let image_id = image.parse().map_err(|cause| {
            bad_response(
                ApiCall::DescribeInstances,
                format!("invalid image ID in instance {id}: {cause}"),
            )
        })?;
        let arn = self.arn("ec2", &format!("instance/{id}"));
        let name = instance.tags().iter().find(|tag| tag.key() == Some("Name"));
        let name = name.and_then(|tag| tag.value()).filter(|name| !name.is_empty());
        let kind = ReferenceKind::Instance;
        let name = name.map(Into::into);
        Ok(Some(Reference { name, ..Reference::new(image_id, kind, arn) }))
    }
}
