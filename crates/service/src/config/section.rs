//! The macro that makes a configuration section: the struct, its defaults, the allowed ranges
//! and the text of the reference, from one declaration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::units::{Secret, ServerUrl, Size, Span};

/// One setting, with the value it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// `section.name`; `[]` stands for any element of a list, `*` for any name.
    pub key: String,
    /// The value as TOML (secrets masked); `None` = unset.
    pub value: Option<String>,
    /// What is allowed, for people.
    pub allowed: String,
    /// Whether the value is inside the allowed range.
    pub within: bool,
    /// What it does, from its documentation.
    pub effect: String,
    /// Whether its value is text, so that `0123` stays as written in the environment.
    pub text: bool,
}

/// A group of settings.
pub trait Section {
    /// Every setting with its value.
    fn visit(&self, path: &str, visit: &mut dyn FnMut(Setting));

    /// Every setting that may be given, with its default.
    fn describe(path: &str, visit: &mut dyn FnMut(Setting));
}

/// A value of a setting.
pub trait Value {
    /// Whether it is text.
    const TEXT: bool = false;

    /// What is allowed where no range is stated.
    fn allowed() -> String;

    /// The value in TOML; `None` = unset.
    fn show(&self) -> Option<String>;
}

/// A string in TOML's quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

macro_rules! values {
    ($($type:ty, $allowed:literal, $text:literal, $show:expr;)*) => {$(
        impl Value for $type {
            const TEXT: bool = $text;
            fn allowed() -> String {
                $allowed.to_owned()
            }
            fn show(&self) -> Option<String> {
                let show: fn(&$type) -> String = $show;
                Some(show(self))
            }
        }
    )*};
}

values! {
    bool, "`true`, `false`", false, |v| v.to_string();
    u8, "whole number", false, |v| v.to_string();
    u32, "whole number", false, |v| v.to_string();
    u64, "whole number", false, |v| v.to_string();
    usize, "whole number", false, |v| v.to_string();
    f64, "number", false, |v| format!("{v:?}");
    f32, "number", false, |v| format!("{v:?}");
    String, "text", true, |v| quoted(v);
    PathBuf, "path", true, |v| quoted(&v.to_string_lossy());
    Span, "duration", true, |v| quoted(&v.to_string());
    Size, "size", true, |v| quoted(&v.to_string());
    Secret, "text (never shown)", true, |v| quoted(&v.to_string());
    ServerUrl, "URL", true, |v| quoted(&v.to_string());
    Vec<String>, "list of texts", false, |v| {
        let items: Vec<_> = v.iter().map(|item| quoted(item)).collect();
        format!("[{}]", items.join(", "))
    };
}

impl<T: Value> Value for Option<T> {
    const TEXT: bool = T::TEXT;
    fn allowed() -> String {
        format!("{} or unset", T::allowed())
    }
    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Value::show)
    }
}

impl<S: Section> Section for Vec<S> {
    fn visit(&self, path: &str, visit: &mut dyn FnMut(Setting)) {
        for (index, item) in self.iter().enumerate() {
            item.visit(&format!("{path}[{index}]"), visit);
        }
    }
    fn describe(path: &str, visit: &mut dyn FnMut(Setting)) {
        S::describe(&format!("{path}[]"), visit);
    }
}

impl<S: Section> Section for BTreeMap<String, S> {
    fn visit(&self, path: &str, visit: &mut dyn FnMut(Setting)) {
        for (name, item) in self {
            item.visit(&join(path, name), visit);
        }
    }
    fn describe(path: &str, visit: &mut dyn FnMut(Setting)) {
        S::describe(&join(path, "*"), visit);
    }
}

/// `path.name`, or `name` at the top.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The range as text, without the quotes of TOML strings.
pub(crate) fn range<T: Value>(low: &T, high: &T) -> String {
    let show = |value: &T| value.show().unwrap_or_default().replace('"', "");
    format!("{} to {}", show(low), show(high))
}

/// The lines of a documentation comment as one text.
pub(crate) fn effect(lines: &[&str]) -> String {
    let trimmed: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    trimmed.join(" ")
}

/// An enumeration with the names that configuration and people use.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident { $( $(#[doc = $about:literal])+ $variant:ident = $text:literal, )+ }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
        pub enum $name {
            $( $(#[doc = $about])+ #[serde(rename = $text)] $variant, )+
        }

        impl $name {
            /// Every choice, by name.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name in configuration.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The choice of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl $crate::config::section::Value for $name {
            const TEXT: bool = true;
            fn allowed() -> String {
                let names: Vec<_> = Self::NAMES.iter().map(|name| format!("`{name}`")).collect();
                names.join(", ")
            }
            fn show(&self) -> Option<String> {
                Some($crate::config::section::quoted(self.name()))
            }
        }
    };
}
pub(crate) use choice;

/// A section: `name: type = default, low => high;` per setting, then the sections inside it.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident {
            $( $(#[doc = $effect:literal])+
               $field:ident : $type:ty = $default:expr $(, $low:expr => $high:expr)? ; )*
        }
        $( sections { $( $(#[doc = $about:literal])+ $child:ident : $section:ty ; )+ } )?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $( $(#[doc = $effect])+ pub $field: $type, )*
            $($( $(#[doc = $about])+ pub $child: $section, )+)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $default, )*
                    $($( $child: Default::default(), )+)?
                }
            }
        }

        impl $name {
            /// The settings of this section itself, those of the sections inside it left out.
            #[allow(unused_variables)]
            fn visit_own(
                &self,
                path: &str,
                visit: &mut dyn FnMut($crate::config::section::Setting),
            ) {
                #[allow(unused_imports)]
                use $crate::config::section::{Setting, Value, effect, join, range};
                $(
                    let (within, allowed) = (true, <$type as Value>::allowed());
                    $(
                        let (low, high): ($type, $type) = ($low, $high);
                        let within = self.$field >= low && self.$field <= high;
                        let allowed = range(&low, &high);
                    )?
                    visit(Setting {
                        key: join(path, stringify!($field)),
                        value: self.$field.show(),
                        allowed,
                        within,
                        effect: effect(&[$($effect),+]),
                        text: <$type as Value>::TEXT,
                    });
                )*
            }
        }

        impl $crate::config::section::Section for $name {
            fn visit(
                &self,
                path: &str,
                visit: &mut dyn FnMut($crate::config::section::Setting),
            ) {
                self.visit_own(path, visit);
                $($(
                    let inside = $crate::config::section::join(path, stringify!($child));
                    $crate::config::section::Section::visit(&self.$child, &inside, visit);
                )+)?
            }

            fn describe(path: &str, visit: &mut dyn FnMut($crate::config::section::Setting)) {
                Self::default().visit_own(path, visit);
                $($(
                    let inside = $crate::config::section::join(path, stringify!($child));
                    <$section as $crate::config::section::Section>::describe(&inside, visit);
                )+)?
            }
        }
    };
}
pub(crate) use section;
