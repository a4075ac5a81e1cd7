//! From a token to the one Person it stands for.

use crate::cluster::Cluster;
use hoop_identity::{
    KeySet, PersonError, ResolvedPerson, TokenError, Trust, TrustedIssuer, UnverifiedToken, VerifiedClaims,
    verify_signature,
};
use hoop_model::spec::{Audience, Issuer};
use hoop_model::{Object, Revision, Spec, UnixSeconds};
use hoop_node::clock::unix_now;
use hoop_node::issuer::{IssuerKeys, tls};
use hoop_state::State;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tonic::{Code, Status};

/// Who the people are, and the keys by which their tokens are told.
pub(crate) struct People {
    keys: Arc<IssuerKeys<KeySet>>,
    known: Mutex<Option<Arc<Known>>>,
    /// Counts the fetches that calls asked for and that have ended.
    fetched: watch::Sender<u64>,
}

/// The issuers and persons of one revision.
struct Known {
    revision: Revision,
    /// All issuers, so that a token which could be an identity's is never a person's. None has its keys here.
    trust: Trust,
    people: hoop_identity::People,
}

/// A Person whose token a call shows. Made by [`People::recognise`] only.
#[derive(Debug, Clone)]
pub(crate) struct Recognised {
    /// The Person.
    pub(crate) person: Arc<ResolvedPerson>,
    /// The token's `exp`.
    pub(crate) expires: UnixSeconds,
    token: UnverifiedToken,
}

/// Why a token stands for no Person that may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unrecognised {
    /// It is not to be believed.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// Newer keys of its issuer may tell; they are asked for.
    #[error("the issuer's keys do not have the token's key yet; try again in a few seconds")]
    TryAgain,
    /// It is an identity's.
    #[error("the token's issuer is not for people")]
    NotForPeople,
    /// It is nobody's.
    #[error("no person matches the token")]
    Nobody,
    /// It is more than one Person's.
    #[error("several persons match the token")]
    Several,
    /// The Person is barred.
    #[error("the person is suspended")]
    Suspended,
}

impl People {
    /// Knows nobody yet.
    pub(crate) fn new() -> Self {
        let parse = |bytes: &[u8]| KeySet::parse(bytes).map_err(Into::into);
        Self {
            keys: IssuerKeys::new(parse, tls::system_roots()),
            known: Mutex::new(None),
            fetched: watch::Sender::new(0),
        }
    }

    /// Tells when a fetch has ended that a call asked for.
    pub(crate) fn fetched(&self) -> watch::Receiver<u64> {
        self.fetched.subscribe()
    }

    /// Reads a token and recognises its Person.
    pub(crate) fn read(&self, token: &str, state: &State) -> Result<Recognised, Unrecognised> {
        self.recognise(&UnverifiedToken::parse(token.as_bytes())?, state)
    }

    /// Finds the one Person that a token stands for at this moment, by the issuers and persons of this state.
    fn recognise(&self, token: &UnverifiedToken, state: &State) -> Result<Recognised, Unrecognised> {
        let known = self.known(state);
        let issuer = known.trust.issuer(token)?;
        match issuer.spec.audience {
            Audience::People => {}
            Audience::Identities => return Err(Unrecognised::NotForPeople),
        }
        let Some(keys) = self.keys.keys(&issuer.spec) else { return Err(self.want(&issuer.spec)) };
        let verified = match verify_signature(token, &keys, &issuer.spec) {
            Err(TokenError::KeyUnknown) => return Err(self.want(&issuer.spec)),
            verified => verified?,
        };
        verified.check(&issuer.spec, UnixSeconds(unix_now().0 / 1000))?;
        let claims = VerifiedClaims {
            issuer: issuer.name.clone(),
            audience: issuer.spec.audience,
            claims: Arc::clone(verified.claims()),
        };
        let found = known.people.resolve(&claims).map_err(|error| {
            tracing::info!(error = &error as &dyn std::error::Error, "a token stands for no person who may act");
            Unrecognised::from(error)
        })?;
        Ok(Recognised { person: Arc::clone(found), expires: verified.claims().exp(), token: token.clone() })
    }

    /// Returns what a state says of issuers and persons, gathered once for each revision.
    fn known(&self, state: &State) -> Arc<Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.revision >= state.revision()) {
            return Arc::clone(known);
        }
        let issuers = || state.objects().filter_map(|object| issuer_of(object).map(|issuer| (object, issuer)));
        let for_people = issuers().filter(|(_, issuer)| issuer.audience == Audience::People);
        for problem in self.keys.keep(for_people.map(|(object, issuer)| (&object.metadata.name, issuer))) {
            tracing::warn!(error = &problem as &dyn std::error::Error, "tokens of an issuer cannot be verified");
        }
        let trusted = issuers().map(|(object, issuer)| TrustedIssuer {
            name: object.metadata.name.clone(),
            spec: issuer.clone(),
            keys: None,
        });
        let people = hoop_identity::People::compile(state.objects().map(|object| &**object));
        let gathered = Arc::new(Known { revision: state.revision(), trust: Trust::new(trusted), people });
        *known = Some(Arc::clone(&gathered));
        gathered
    }

    /// Asks for newer keys. How often an issuer is bothered is bounded there, whoever asks.
    fn want(&self, issuer: &Issuer) -> Unrecognised {
        let (keys, issuer, fetched) = (Arc::clone(&self.keys), issuer.clone(), self.fetched.clone());
        tokio::spawn(async move {
            drop(keys.want(&issuer).await);
            fetched.send_modify(|count| *count = count.wrapping_add(1));
        });
        Unrecognised::TryAgain
    }
}

impl Recognised {
    /// Recognises the bearer again, in another state and at this moment.
    pub(crate) fn again(&self, people: &People, state: &State) -> Result<Arc<ResolvedPerson>, Unrecognised> {
        people.recognise(&self.token, state).map(|recognised| recognised.person)
    }
}

impl Recognised {
    /// Returns who bears the same token, as they are by now.
    pub(crate) fn now(&self, person: Arc<ResolvedPerson>) -> Self {
        Self { person, expires: self.expires, token: self.token.clone() }
    }
}

impl Unrecognised {
    /// Answers whoever showed the token.
    pub(crate) fn status(self) -> Status {
        let code = match self {
            Self::Token(_) | Self::TryAgain => Code::Unauthenticated,
            Self::NotForPeople | Self::Nobody | Self::Several | Self::Suspended => Code::PermissionDenied,
        };
        Status::new(code, self.to_string())
    }
}

impl From<PersonError> for Unrecognised {
    fn from(error: PersonError) -> Self {
        match error {
            PersonError::NotForPeople(_) => Self::NotForPeople,
            PersonError::None => Self::Nobody,
            PersonError::Ambiguous { .. } => Self::Several,
            PersonError::Suspended(_) => Self::Suspended,
        }
    }
}

/// Keeps the keys of the issuers for people fresh, until the end of the task.
pub(crate) async fn keep_keys(cluster: Arc<Cluster>) {
    let people = cluster.people();
    let mut changes = cluster.replica().changes();
    let follow = async {
        loop {
            people.known(&cluster.state());
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = Arc::clone(&people.keys).run() => {}
        () = follow => {}
    }
}

fn issuer_of(object: &Object) -> Option<&Issuer> {
    let Spec::Issuer(issuer) = &object.spec else { return None };
    Some(issuer)
}
