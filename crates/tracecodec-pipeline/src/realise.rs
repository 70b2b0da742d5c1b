//! How actions are realised as packets: the settings that every verb which writes captures has.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tracecodec::action::{ActionSchema, Services};
use tracecodec::compile::{
    CompileConfig, Compiler, Legalisation, Link, PayloadCount, PayloadPolicy, Salt, Splitter,
};

use crate::error::Error;

/// How actions are realised as packets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Realise {
    /// Seed of the synthetic endpoints.
    pub salt: SaltChoice,
    /// Payload of the packets; `None` is that of the verb: shaped if a generator whose model has
    /// services makes the trace, else synthetic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadPolicy>,
    /// Link layer of the output.
    pub link: Link,
    /// Write microseconds instead of nanoseconds (pcap only), for old tools.
    pub microseconds: bool,
    /// Split TCP segments whose IP packet is longer than this, as the interface that was to cut
    /// them would have; at least 576. `None` writes them as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Render each packet as if it were the first of its flow: an ablation, which shows what the
    /// compiler's state is worth.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stateless: bool,
}

impl Realise {
    /// The compiler's configuration for actions that keep this. A random salt is drawn here.
    ///
    /// # Errors
    /// If the system has no randomness, the MTU is too small, or payload is to be shaped although
    /// the actions have no services.
    pub fn config(&self, schema: ActionSchema) -> Result<CompileConfig, Error> {
        self.splitter()?;
        if self.payload == Some(PayloadPolicy::Shaped) && schema.services == Services::None {
            return Err(Error::refused(
                "shaped `payload` needs services, which were not kept",
                "`keep` services when the capture is lifted",
            ));
        }
        Ok(CompileConfig {
            salt: self.salt.draw()?,
            schema,
            payload: self.payload.unwrap_or_default(),
            link: self.link,
            stateless: self.stateless,
        })
    }

    /// The splitter of segments beyond the MTU, if there is one.
    ///
    /// # Errors
    /// If the MTU is too small.
    pub(crate) fn splitter(&self) -> Result<Option<Splitter>, Error> {
        let smallest = Splitter::SMALLEST_MTU;
        match self.mtu {
            Some(mtu) if mtu < smallest => Err(Error::refused(
                format!("an `mtu` of {mtu} bytes is too small: IPv4 needs {smallest}"),
                "Ethernet has 1500",
            )),
            mtu => Ok(mtu.map(Splitter::new)),
        }
    }
}

/// A salt: a number, or one that is drawn anew for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaltChoice {
    /// A given number.
    Number(u64),
    /// A random number, which the outcome names.
    Random,
}

impl SaltChoice {
    /// The word for a random salt.
    pub const RANDOM: &'static str = "random";

    /// The salt: the number, or a random one.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn draw(self) -> Result<Salt, Error> {
        match self {
            Self::Number(number) => Ok(Salt(number)),
            Self::Random => getrandom::u64()
                .map(Salt)
                .map_err(|error| Error::refused(format!("no randomness: {error}"), "name a salt")),
        }
    }
}

impl Default for SaltChoice {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl std::str::FromStr for SaltChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == Self::RANDOM {
            return Ok(Self::Random);
        }
        text.parse()
            .map(Self::Number)
            .map_err(|_| "a number from 0 to 2^64 - 1, or random".to_string())
    }
}

impl Serialize for SaltChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Random => serializer.serialize_str(Self::RANDOM),
        }
    }
}

impl<'de> Deserialize<'de> for SaltChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self::Number(number)),
            Written::Word(word) => word.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// What a compiler had to change, and what became of payload.
#[derive(Debug, Default, Serialize)]
pub struct Realised {
    /// Changes that kept packets legal, by kind.
    pub legalisations: BTreeMap<&'static str, u64>,
    /// What became of payload that was to be shaped; `None` if none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shaped: Option<ShapedPayload>,
}

/// What became of payload that was to be shaped, in TCP and UDP packets.
#[derive(Debug, Serialize)]
pub struct ShapedPayload {
    /// Packets by service.
    pub services: BTreeMap<&'static str, PayloadCount>,
    /// Packets with synthetic payload, since no port of theirs is a service's.
    pub synthetic: u64,
}

impl Realised {
    /// What this compiler did.
    pub fn of(compiler: &Compiler) -> Self {
        let counts = compiler.legalisations();
        let occurred = Legalisation::ALL
            .into_iter()
            .filter(|&kind| counts.count(kind) > 0);
        let payloads = compiler.payloads();
        let is_shaped = compiler.config().payload == PayloadPolicy::Shaped;
        Self {
            legalisations: occurred
                .map(|kind| (kind.name(), counts.count(kind)))
                .collect(),
            shaped: is_shaped.then(|| ShapedPayload {
                services: payloads.by_service(),
                synthetic: payloads.synthetic,
            }),
        }
    }
}
