//! From a bearer token to the identity it stands for.

use crate::shard::Shard;
use crate::world::World;
use hoop_identity::{
    Claims, IdentityError, Resolved, TokenError, UnverifiedToken, Verified, token_hash, verify_signature,
};
use hoop_model::{ContentHash, Refusal, ResourceName, Revision, UnixMillis};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Longest time a verified signature is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Most signatures a shard remembers.
const MAX_ENTRIES: usize = 8192;
/// How long a request waits for the first keys of an issuer.
const FIRST_KEYS: Duration = Duration::from_secs(2);

/// Who is calling.
pub(crate) struct Caller {
    pub(crate) identity: Arc<Resolved>,
    /// The revision of the identity's last change.
    pub(crate) changed: Revision,
    pub(crate) claims: Arc<Claims>,
    /// The token's hash.
    pub(crate) token: ContentHash,
}

/// Signatures that were verified in one [`World`]; another World has other keys or issuers, and starts from nothing.
#[derive(Default)]
pub(crate) struct TokenCache {
    world: u64,
    entries: HashMap<ContentHash, Remembered>,
}

struct Remembered {
    verified: Verified,
    issuer: ResourceName,
    until: UnixMillis,
}

impl TokenCache {
    fn look_up(&self, world: u64, token: ContentHash, now: UnixMillis) -> Option<(Verified, ResourceName)> {
        let found = self.entries.get(&token).filter(|found| self.world == world && now < found.until)?;
        Some((found.verified.clone(), found.issuer.clone()))
    }

    fn remember(&mut self, world: u64, token: ContentHash, entry: Remembered, now: UnixMillis) {
        if self.world != world {
            self.entries.clear();
            self.world = world;
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.retain(|_, remembered| now < remembered.until);
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.clear();
        }
        self.entries.insert(token, entry);
    }
}

/// Finds out who is calling. Only the signature is ever remembered: issuer, times and identity are checked each time.
///
/// `world` is replaced by a newer one if the request had to wait for an issuer's first keys.
pub(crate) async fn authenticate(shard: &Shard, world: &mut Arc<World>, bearer: &[u8]) -> Result<Caller, Box<Refusal>> {
    let token = token_hash(bearer);
    let (verified, issuer) = verify(shard, world, bearer, token).await.map_err(told)?;
    let now = hoop_node::clock::unix_now().to_seconds();
    let trusted = world.policy.issuers.get(&issuer).ok_or(told(TokenError::IssuerUnknown))?;
    verified.check(&trusted.spec, now).map_err(told)?;
    let identity = world.policy.directory.resolve(&issuer, verified.claims(), now);
    let identity = identity.map_err(|error| unidentified(&error))?;
    let changed = world.policy.identity_changed(identity.uid).ok_or(unidentified(&IdentityError::None))?;
    Ok(Caller { identity: Arc::clone(identity), changed, claims: Arc::clone(verified.claims()), token })
}

async fn verify(
    shard: &Shard,
    world: &mut Arc<World>,
    bearer: &[u8],
    token: ContentHash,
) -> Result<(Verified, ResourceName), TokenError> {
    let now = hoop_node::clock::unix_now();
    if let Some(found) = shard.tokens.borrow().look_up(world.version, token, now) {
        shard.meter.tokens_remembered.increment();
        return Ok(found);
    }
    let verified = verify_anew(shard, world, (bearer, token), now).await;
    let count = if verified.is_ok() { &shard.meter.tokens_good } else { &shard.meter.tokens_bad };
    count.increment();
    verified
}

async fn verify_anew(
    shard: &Shard,
    world: &mut Arc<World>,
    (bearer, token): (&[u8], ContentHash),
    now: UnixMillis,
) -> Result<(Verified, ResourceName), TokenError> {
    let unverified = UnverifiedToken::parse(bearer)?;
    await_first_keys(shard, world, &unverified).await?;
    let trusted = world.trust.issuer(&unverified)?;
    let keys = trusted.keys.as_ref().ok_or(TokenError::KeysUnavailable)?;
    let verified = verify_signature(&unverified, keys, &trusted.spec).inspect_err(|error| {
        if *error == TokenError::KeyUnknown {
            // A full queue means that somebody has asked already; the control thread bounds how often it fetches.
            drop(shard.shared.wanted.try_send(trusted.name.clone()));
        }
    })?;
    let until = now.after(REMEMBERED).min(verified.claims().exp().to_millis());
    let entry = Remembered { verified: verified.clone(), issuer: trusted.name.clone(), until };
    shard.tokens.borrow_mut().remember(world.version, token, entry, now);
    Ok((verified, trusted.name.clone()))
}

/// Waits, but not long, where nobody knows yet whether the token's issuer can be reached.
async fn await_first_keys(shard: &Shard, world: &mut Arc<World>, token: &UnverifiedToken) -> Result<(), TokenError> {
    let is_awaited = |world: &World| {
        let issuer = world.trust.issuer(token)?;
        Ok(issuer.keys.is_none() && world.awaited.contains(&issuer.name))
    };
    if !is_awaited(world)? {
        return Ok(());
    }
    let mut published = shard.shared.published.subscribe();
    let waiting = async {
        while is_awaited(world)? {
            if published.changed().await.is_err() {
                return Err(TokenError::KeysUnavailable);
            }
            if let Some(newer) = shard.shared.world.load_full() {
                *world = newer;
            }
        }
        Ok(())
    };
    tokio::time::timeout(FIRST_KEYS, waiting).await.unwrap_or(Err(TokenError::KeysUnavailable))
}

/// The texts of [`TokenError`] are fixed and name nothing that the bearer or we chose.
fn told(error: TokenError) -> Box<Refusal> {
    Box::new(Refusal::because(error.code(), error.to_string()))
}

/// Tells a caller why it is nobody, without naming identities it might be.
pub(crate) fn unidentified(error: &IdentityError) -> Box<Refusal> {
    let sentence = match error {
        IdentityError::None => "no identity matches the token",
        IdentityError::Ambiguous { .. } => "several identities match the token",
        IdentityError::Suspended(_) => "the identity is suspended",
        IdentityError::Expired(_) => "the identity has expired",
        IdentityError::RunMissing(_) => "the token has no claim that names its run",
    };
    tracing::debug!(%error, "a token stands for no usable identity");
    Box::new(Refusal::because(error.code(), sentence))
}
