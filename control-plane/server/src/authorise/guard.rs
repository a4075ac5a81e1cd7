//! The guard before every service: nothing passes that [`authorise`] did not allow.

use super::{Caller, Denied, Member, Shown, authorise};
use crate::cluster::Cluster;
use crate::people::{Recognised, Unrecognised};
use hoop_model::spec::Right;
use hoop_state::State;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tower_service::Service;

/// How often it is looked whether somebody who is told something for long still may.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a person's call waits for keys of their issuer that are on their way.
const KEYS_WITHIN: Duration = Duration::from_secs(5);

/// Puts the guard before a service.
#[derive(Clone)]
pub(crate) struct GuardLayer {
    cluster: Arc<Cluster>,
}

/// A service behind the guard.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    cluster: Arc<Cluster>,
    service: S,
}

impl GuardLayer {
    /// Guards with this cluster's state.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

impl<S> tower_layer::Layer<S> for GuardLayer {
    type Service = Guarded<S>;
    fn layer(&self, service: S) -> Guarded<S> {
        Guarded { cluster: Arc::clone(&self.cluster), service }
    }
}

impl<S> Service<http::Request<Body>> for Guarded<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The service that said it is ready is the one to be called.
        let another = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, another);
        let cluster = Arc::clone(&self.cluster);
        Box::pin(async move {
            let (path, meter) = (request.uri().path().to_owned(), Arc::clone(cluster.meter()));
            let mut fetched = cluster.people().fetched();
            let mut admitted = admit(&request, &cluster);
            if let Err(Denied::Unrecognised(Unrecognised::TryAgain)) = admitted {
                // Late or not: the second look decides.
                drop(tokio::time::timeout(KEYS_WITHIN, fetched.changed()).await);
                admitted = admit(&request, &cluster);
            }
            let answered = match admitted {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    service.call(request).await
                }
                Err(denied) => {
                    tracing::info!(method = request.uri().path(), reason = %denied, "call denied");
                    Ok(status(denied).into_http())
                }
            };
            let said = answered.as_ref().ok().and_then(|answer| Status::from_header_map(answer.headers()));
            meter.called(&path, said.map_or(Code::Ok, |status| status.code()));
            answered
        })
    }
}

fn admit(request: &http::Request<Body>, cluster: &Cluster) -> Result<Caller, Denied> {
    let headers = MetadataMap::from_headers(request.headers().clone());
    let connection = tonic::Request::from_parts(headers, request.extensions().clone(), ());
    let certificate = hoop_rpc::authority::peer_certificate(&connection);
    let shown =
        Shown { path: request.uri().path(), certificate: certificate.as_deref(), bearer: bearer(request.headers()) };
    authorise(&shown, &cluster.state(), cluster.people())
}

/// Reads `authorization: Bearer TOKEN` (RFC 6750 §2.1). Two of them are none: which one counts is nobody's guess.
fn bearer(headers: &http::HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(Denied::NoToken),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| Denied::WrongToken)?;
            text.strip_prefix("Bearer ").ok_or(Denied::WrongToken)
        }
        (Some(_), Some(_)) => Err(Denied::WrongToken),
    }
}

/// Answers that a call is denied.
pub(crate) fn status(denied: Denied) -> Status {
    let code = match denied {
        Denied::Unrecognised(unrecognised) => return unrecognised.status(),
        Denied::NoToken | Denied::NoPersonToken | Denied::WrongToken | Denied::NotASession | Denied::NoCertificate => {
            Code::Unauthenticated
        }
        Denied::NoRight(_)
        | Denied::UnknownMethod
        | Denied::UnreadableCertificate
        | Denied::WrongRole
        | Denied::UnknownNode => Code::PermissionDenied,
    };
    Status::new(code, denied.to_string())
}

/// Returns the name of the node that calls.
pub(crate) fn attached_node<T>(request: &tonic::Request<T>) -> Result<hoop_model::ResourceName, Status> {
    member(request).map(|member| member.name)
}

/// Returns the node that calls, where it may be removed before the call is over.
pub(crate) fn member<T>(request: &tonic::Request<T>) -> Result<Member, Status> {
    let node = request.extensions().get::<Caller>().and_then(Caller::node);
    node.cloned().ok_or_else(|| status(Denied::NoCertificate))
}

/// Returns who calls, as the guard let them in.
pub(crate) fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| status(Denied::NoToken))
}

/// Who asks about approvals.
pub(crate) enum Asking {
    /// An administrator who is no Person, and sees every one of them.
    Overseer(Caller),
    /// A person, as the guard recognised them.
    Person(Recognised),
}

/// Returns who asks, where both may.
pub(crate) fn asking<T>(request: &tonic::Request<T>) -> Result<Asking, Status> {
    let caller = caller(request)?;
    if caller.session().is_some() {
        return Ok(Asking::Overseer(caller));
    }
    asking_person(request).map(Asking::Person)
}

impl Caller {
    /// Returns the same caller as they are in another state and at this moment, if they still may.
    pub(crate) fn at(&self, cluster: &Cluster, state: &State, right: Right) -> Result<Self, Status> {
        let again = self.again(state, cluster.people()).map_err(status)?;
        if again.may(right) { Ok(again) } else { Err(status(Denied::NoRight(right))) }
    }

    /// Does what takes long for as long as the caller may have it: their token ends, and what people may changes.
    pub(crate) async fn while_may<T, E: From<Status>>(
        &self,
        cluster: &Cluster,
        right: Right,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            ended = self.no_longer(cluster, right) => Err(ended.into()),
            done = work => done,
        }
    }

    /// Returns why the caller may not any more, once that is so.
    async fn no_longer(&self, cluster: &Cluster, right: Right) -> Status {
        let mut changes = cluster.replica().changes();
        loop {
            if let Err(ended) = self.at(cluster, &cluster.state(), right) {
                return ended;
            }
            // Changed or not: tokens end by themselves.
            drop(tokio::time::timeout(LOOK_EVERY, changes.changed()).await);
        }
    }
}

/// Returns the person who asks, where nobody else may.
pub(crate) fn asking_person<T>(request: &tonic::Request<T>) -> Result<Recognised, Status> {
    let person = request.extensions().get::<Caller>().and_then(Caller::person);
    person.cloned().ok_or_else(|| status(Denied::NoPersonToken))
}
