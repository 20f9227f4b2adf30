//! What a type says by its words alone: a macro sees no definitions, so an alias may hide any of this.

use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeParamBound};

/// `NextEvent` of `lambda_extension::NextEvent`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Paren(inner) => last_segment(&inner.elem),
        Type::Group(inner) => last_segment(&inner.elem),
        _ => None,
    }
}

/// The type at `index` between the angle brackets of `ty`, if its last word is `name`.
pub(crate) fn generic_type<'a>(ty: &'a Type, name: &str, index: usize) -> Option<&'a Type> {
    let segment = last_segment(ty).filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.nth(index)
}

/// `()`
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// `Box<dyn Error>`, to which the compiler's answer would be three errors about `Send`, `Sync` and `Sized`.
pub(crate) fn is_box_of_plain_dyn(ty: &Type) -> bool {
    let Some(Type::TraitObject(object)) = generic_type(ty, "Box", 0) else { return false };
    let names = object.bounds.iter().filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last(),
        _ => None,
    });
    let has = |name: &str| names.clone().any(|segment| segment.ident == name);
    has("Error") && !(has("Send") && has("Sync"))
}
