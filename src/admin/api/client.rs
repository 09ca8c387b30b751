//! How does a program ask the admin API?

use http::uri::PathAndQuery;
use prost::Message;
use tonic::Status;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use super::message::{GetDecisionRequest, ListDecisionsRequest, ListDecisionsResponse};
use super::{GET, LIST};
use crate::explain::Explanation;

/// An answer with every one of many rules in it may be long.
const MOST_BYTES: usize = 256 << 20;

/// A client of `keyward.admin.v1.Admin`.
#[derive(Debug)]
pub struct AdminClient(Grpc<Channel>);

impl AdminClient {
    /// A client over `channel`.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self(Grpc::new(channel).max_decoding_message_size(MOST_BYTES))
    }

    /// Asks for one decision.
    ///
    /// # Errors
    /// What the server says, or that there is none.
    pub async fn get(&mut self, asked: GetDecisionRequest) -> Result<Explanation, Status> {
        self.ask(asked, GET).await
    }

    /// Asks for the last decisions.
    ///
    /// # Errors
    /// What the server says, or that there is none.
    pub async fn list(&mut self, asked: ListDecisionsRequest) -> Result<ListDecisionsResponse, Status> {
        self.ask(asked, LIST).await
    }

    async fn ask<Q, A>(&mut self, asked: Q, method: &'static str) -> Result<A, Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let (path, codec) = (PathAndQuery::from_static(method), ProstCodec::<Q, A>::default());
        self.0.unary(tonic::Request::new(asked), path, codec).await.map(tonic::Response::into_inner)
    }
}
