//! The tables of ICU. The names are those that the crate idna asks for; which classes a set has is said by RFC 5893 (text from right to
//! left) and RFC 5892, appendix A (joiners).

use icu_normalizer::uts46::Uts46MapperBorrowed;
use icu_properties::props::{
    BidiClass as Class, GeneralCategory as Category, JoiningType as Joining,
};
use icu_properties::{CodePointMapData, CodePointMapDataBorrowed};

/// A set of joining types, one bit for each.
#[derive(Clone, Copy)]
pub struct JoiningTypeMask(u32);

/// A set of classes of the bidirectional algorithm, one bit for each.
#[derive(Clone, Copy)]
pub struct BidiClassMask(u32);

const fn joining(mut types: &[Joining]) -> JoiningTypeMask {
    let mut bits = 0;
    while let [first, rest @ ..] = types {
        bits |= 1 << first.to_icu4c_value();
        types = rest;
    }
    JoiningTypeMask(bits)
}

const fn bidi(mut classes: &[Class]) -> BidiClassMask {
    let mut bits = 0;
    while let [first, rest @ ..] = classes {
        bits |= 1 << first.to_icu4c_value();
        classes = rest;
    }
    BidiClassMask(bits)
}

const fn both(one: BidiClassMask, other: BidiClassMask) -> BidiClassMask {
    BidiClassMask(one.0 | other.0)
}

/// The types that may stand before a joiner.
pub const LEFT_OR_DUAL_JOINING_MASK: JoiningTypeMask =
    joining(&[Joining::LeftJoining, Joining::DualJoining]);
/// The types that may stand behind a joiner.
pub const RIGHT_OR_DUAL_JOINING_MASK: JoiningTypeMask =
    joining(&[Joining::RightJoining, Joining::DualJoining]);

const LETTERS_FROM_THE_RIGHT: BidiClassMask = bidi(&[Class::RightToLeft, Class::ArabicLetter]);
/// What may stand inside a label of either direction.
const NEUTRAL: BidiClassMask = bidi(&[
    Class::EuropeanNumber,
    Class::EuropeanSeparator,
    Class::CommonSeparator,
    Class::EuropeanTerminator,
    Class::OtherNeutral,
    Class::BoundaryNeutral,
    Class::NonspacingMark,
]);
/// The classes of text from right to left.
pub const RTL_MASK: BidiClassMask = both(LETTERS_FROM_THE_RIGHT, bidi(&[Class::ArabicNumber]));
/// The classes of a label's first character.
pub const FIRST_BC_MASK: BidiClassMask = both(LETTERS_FROM_THE_RIGHT, bidi(&[Class::LeftToRight]));
/// The classes of the last character from left to right.
pub const LAST_LTR_MASK: BidiClassMask = bidi(&[Class::LeftToRight, Class::EuropeanNumber]);
/// The classes of the last character from right to left.
pub const LAST_RTL_MASK: BidiClassMask = both(RTL_MASK, bidi(&[Class::EuropeanNumber]));
/// The classes of other characters from left to right.
pub const MIDDLE_LTR_MASK: BidiClassMask = both(NEUTRAL, bidi(&[Class::LeftToRight]));
/// The classes of other characters from right to left.
pub const MIDDLE_RTL_MASK: BidiClassMask = both(NEUTRAL, RTL_MASK);

impl JoiningTypeMask {
    /// Whether a type is in both.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 > 0
    }
}

impl BidiClassMask {
    /// Whether a class is in both.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 > 0
    }
}

/// How a character joins others.
#[derive(Clone, Copy)]
pub struct JoiningType(Joining);

impl JoiningType {
    /// The set of it.
    #[must_use]
    pub fn to_mask(self) -> JoiningTypeMask {
        joining(&[self.0])
    }

    /// Whether it is skipped.
    #[must_use]
    pub fn is_transparent(self) -> bool {
        self.0 == Joining::Transparent
    }
}

/// A class of the bidirectional algorithm.
#[derive(Clone, Copy)]
pub struct BidiClass(Class);

impl BidiClass {
    /// The set of it.
    #[must_use]
    pub fn to_mask(self) -> BidiClassMask {
        bidi(&[self.0])
    }

    /// Whether it is `Left_To_Right`.
    #[must_use]
    pub fn is_ltr(self) -> bool {
        self.0 == Class::LeftToRight
    }

    /// Whether it is `Nonspacing_Mark`.
    #[must_use]
    pub fn is_nonspacing_mark(self) -> bool {
        self.0 == Class::NonspacingMark
    }

    /// Whether it is `European_Number`.
    #[must_use]
    pub fn is_european_number(self) -> bool {
        self.0 == Class::EuropeanNumber
    }

    /// Whether it is `Arabic_Number`.
    #[must_use]
    pub fn is_arabic_number(self) -> bool {
        self.0 == Class::ArabicNumber
    }
}

/// The back end.
pub struct Adapter {
    mapper: Uts46MapperBorrowed<'static>,
    categories: CodePointMapDataBorrowed<'static, Category>,
    classes: CodePointMapDataBorrowed<'static, Class>,
    joining_types: CodePointMapDataBorrowed<'static, Joining>,
}

impl Default for Adapter {
    fn default() -> Self {
        Self::new()
    }
}

impl Adapter {
    /// The back end.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            mapper: Uts46MapperBorrowed::new(),
            categories: CodePointMapData::<Category>::new(),
            classes: CodePointMapData::<Class>::new(),
            joining_types: CodePointMapData::<Joining>::new(),
        }
    }

    /// Whether a joiner may stand behind a character because that is a virama.
    #[must_use]
    pub fn is_virama(&self, character: char) -> bool {
        self.mapper.is_virama(character)
    }

    /// Whether a character is a mark, which no label begins with.
    #[must_use]
    pub fn is_mark(&self, character: char) -> bool {
        matches!(
            self.categories.get(character),
            Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark
        )
    }

    /// The class of a character.
    #[must_use]
    pub fn bidi_class(&self, character: char) -> BidiClass {
        BidiClass(self.classes.get(character))
    }

    /// How a character joins others.
    #[must_use]
    pub fn joining_type(&self, character: char) -> JoiningType {
        JoiningType(self.joining_types.get(character))
    }

    /// Maps and normalises a domain. The replacement character makes it invalid.
    pub fn map_normalize<'a>(
        &'a self,
        domain: impl Iterator<Item = char> + 'a,
    ) -> impl Iterator<Item = char> + 'a {
        self.mapper.map_normalize(domain)
    }

    /// Normalises a label that was in Punycode, and shows by replacement characters what must not be in it.
    pub fn normalize_validate<'a>(
        &'a self,
        label: impl Iterator<Item = char> + 'a,
    ) -> impl Iterator<Item = char> + 'a {
        self.mapper.normalize_validate(label)
    }
}
