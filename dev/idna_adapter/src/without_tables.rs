//! No tables: a character that is not in ASCII makes a domain invalid. A label in Punycode is taken as it is.

/// A set of joining types.
#[derive(Clone, Copy)]
pub struct JoiningTypeMask;

/// A set of classes of the bidirectional algorithm.
#[derive(Clone, Copy)]
pub struct BidiClassMask;

/// The types that may stand before a joiner.
pub const LEFT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask;
/// The types that may stand behind a joiner.
pub const RIGHT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask;
/// The classes of text from right to left.
pub const RTL_MASK: BidiClassMask = BidiClassMask;
/// The classes of a label's first character.
pub const FIRST_BC_MASK: BidiClassMask = BidiClassMask;
/// The classes of the last character from left to right.
pub const LAST_LTR_MASK: BidiClassMask = BidiClassMask;
/// The classes of the last character from right to left.
pub const LAST_RTL_MASK: BidiClassMask = BidiClassMask;
/// The classes of other characters from left to right.
pub const MIDDLE_LTR_MASK: BidiClassMask = BidiClassMask;
/// The classes of other characters from right to left.
pub const MIDDLE_RTL_MASK: BidiClassMask = BidiClassMask;

impl JoiningTypeMask {
    /// Whether a type is in both: no type is known.
    #[must_use]
    pub fn intersects(self, _: Self) -> bool {
        true
    }
}

impl BidiClassMask {
    /// Whether a class is in both. No text counts as one from right to left, so that nothing else is asked.
    #[must_use]
    pub fn intersects(self, _: Self) -> bool {
        false
    }
}

/// How a character joins others.
#[derive(Clone, Copy)]
pub struct JoiningType;

impl JoiningType {
    /// The set of it.
    #[must_use]
    pub fn to_mask(self) -> JoiningTypeMask {
        JoiningTypeMask
    }

    /// Whether it is skipped.
    #[must_use]
    pub fn is_transparent(self) -> bool {
        false
    }
}

/// A class of the bidirectional algorithm.
#[derive(Clone, Copy)]
pub struct BidiClass;

impl BidiClass {
    /// The set of it.
    #[must_use]
    pub fn to_mask(self) -> BidiClassMask {
        BidiClassMask
    }

    /// Whether it is `Left_To_Right`.
    #[must_use]
    pub fn is_ltr(self) -> bool {
        true
    }

    /// Whether it is `Nonspacing_Mark`.
    #[must_use]
    pub fn is_nonspacing_mark(self) -> bool {
        false
    }

    /// Whether it is `European_Number`.
    #[must_use]
    pub fn is_european_number(self) -> bool {
        false
    }

    /// Whether it is `Arabic_Number`.
    #[must_use]
    pub fn is_arabic_number(self) -> bool {
        false
    }
}

/// The back end.
#[derive(Default)]
pub struct Adapter;

impl Adapter {
    /// The back end.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }

    /// Whether a joiner may stand behind a character because that is a virama.
    #[must_use]
    pub fn is_virama(&self, _: char) -> bool {
        true
    }

    /// Whether a character is a mark, which no label begins with.
    #[must_use]
    pub fn is_mark(&self, _: char) -> bool {
        false
    }

    /// The class of a character.
    #[must_use]
    pub fn bidi_class(&self, _: char) -> BidiClass {
        BidiClass
    }

    /// How a character joins others.
    #[must_use]
    pub fn joining_type(&self, _: char) -> JoiningType {
        JoiningType
    }

    /// Maps and normalises a domain. The replacement character makes it invalid.
    pub fn map_normalize<'a>(
        &'a self,
        domain: impl Iterator<Item = char> + 'a,
    ) -> impl Iterator<Item = char> + 'a {
        domain.map(|character| match character {
            '\0'..='\x7f' => character,
            _ => char::REPLACEMENT_CHARACTER,
        })
    }

    /// Normalises a label that was in Punycode, and shows by replacement characters what must not be in it.
    pub fn normalize_validate<'a>(
        &'a self,
        label: impl Iterator<Item = char> + 'a,
    ) -> impl Iterator<Item = char> + 'a {
        label
    }
}
