//! Data classes.

use crate::error::{Malformed, parsed, present};
use crate::v1;
use hoop_model::spec::{Builtin, ClassName, DataClass, Recognise, Transform};

impl From<&DataClass> for v1::DataClass {
    fn from(DataClass { class, recognise, transform }: &DataClass) -> Self {
        let transform = match transform {
            Transform::Redact => v1::data_class::Transform::Redact(true),
            Transform::KeepLast(most) => v1::data_class::Transform::KeepLast(u32::from(*most)),
            Transform::KeyedHash => v1::data_class::Transform::KeyedHash(true),
        };
        Self {
            class: class.to_string(),
            builtin: recognise.builtin.map(|builtin| v1::data_class::Builtin::from(builtin).into()),
            fields: recognise.fields.clone(),
            transform: Some(transform),
        }
    }
}

impl TryFrom<v1::DataClass> for DataClass {
    type Error = Malformed;
    fn try_from(class: v1::DataClass) -> Result<Self, Malformed> {
        let unless = |is: bool, field| is.then_some(()).ok_or(Malformed { field, problem: "must be true" });
        let transform = match present(class.transform, "transform")? {
            v1::data_class::Transform::Redact(is) => unless(is, "transform.redact").map(|()| Transform::Redact)?,
            v1::data_class::Transform::KeepLast(most) => {
                Transform::KeepLast(parsed(u8::try_from(most), "transform.keepLast")?)
            }
            v1::data_class::Transform::KeyedHash(is) => {
                unless(is, "transform.keyedHash").map(|()| Transform::KeyedHash)?
            }
        };
        let builtin = class.builtin.map(|builtin| match v1::data_class::Builtin::try_from(builtin) {
            Ok(builtin) => builtin_of(builtin),
            Err(_) => Err(UNKNOWN),
        });
        let recognise = Recognise { builtin: builtin.transpose()?, fields: class.fields };
        Ok(Self { class: parsed(ClassName::parse(&class.class), "class")?, recognise, transform })
    }
}

const UNKNOWN: Malformed = Malformed { field: "recognise.builtin", problem: "is missing or unknown" };

const fn builtin_of(builtin: v1::data_class::Builtin) -> Result<Builtin, Malformed> {
    match builtin {
        v1::data_class::Builtin::Email => Ok(Builtin::Email),
        v1::data_class::Builtin::PaymentCard => Ok(Builtin::PaymentCard),
        v1::data_class::Builtin::ApiKey => Ok(Builtin::ApiKey),
        v1::data_class::Builtin::Jwt => Ok(Builtin::Jwt),
        v1::data_class::Builtin::PrivateKey => Ok(Builtin::PrivateKey),
        v1::data_class::Builtin::Unspecified => Err(UNKNOWN),
    }
}

impl From<Builtin> for v1::data_class::Builtin {
    fn from(builtin: Builtin) -> Self {
        match builtin {
            Builtin::Email => Self::Email,
            Builtin::PaymentCard => Self::PaymentCard,
            Builtin::ApiKey => Self::ApiKey,
            Builtin::Jwt => Self::Jwt,
            Builtin::PrivateKey => Self::PrivateKey,
        }
    }
}
