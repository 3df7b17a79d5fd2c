// What the parser does between a call's text and its values: literals without a type become what the
// declaration wants; the types of polymorphic parameters are found from those arguments that have one,
// separately for the family of anyelement, whose members must agree, and for that of anycompatible, whose
// members are converted to a common type; the tail of a VARIADIC call is collected into an array.
//
// Only what needs the catalogs is asked of the upstream: the common type of several, and conversions to it. C
// style throughout.
#include "bridge/user_types.hpp"

#include <cstring>

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "parser/parse_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
}
#include "bridge/catalog_lookup.hpp"
#include "postmaster/call_arguments.hpp"

namespace bgw {

namespace {

// An argument on its way: as it was written, then with its type, then with its value.
struct Item {
  const char* text;  // nullptr: NULL
  Oid wanted;        // the declared type; InvalidOid if there is none
  Oid type;          // InvalidOid until it is known
  int32 typmod;
};

// What the arguments of one family of polymorphic parameters have agreed on; InvalidOid: nothing yet.
struct Family {
  Oid element;
  Oid array;
  Oid range;
  Oid multirange;
};

enum class Part { none, element, array, range, multirange };

Part part_of(Oid type) {
  switch (type) {
    case ANYELEMENTOID:
    case ANYNONARRAYOID:
    case ANYENUMOID:
    case ANYCOMPATIBLEOID:
    case ANYCOMPATIBLENONARRAYOID:
      return Part::element;
    case ANYARRAYOID:
    case ANYCOMPATIBLEARRAYOID:
      return Part::array;
    case ANYRANGEOID:
    case ANYCOMPATIBLERANGEOID:
      return Part::range;
    case ANYMULTIRANGEOID:
    case ANYCOMPATIBLEMULTIRANGEOID:
      return Part::multirange;
    default:
      return Part::none;
  }
}

bool of_compatible_family(Oid type) {
  switch (type) {
    case ANYCOMPATIBLEOID:
    case ANYCOMPATIBLENONARRAYOID:
    case ANYCOMPATIBLEARRAYOID:
    case ANYCOMPATIBLERANGEOID:
    case ANYCOMPATIBLEMULTIRANGEOID:
      return true;
    default:
      return false;
  }
}

Oid* member(Family* family, Part part) {
  switch (part) {
    case Part::array:
      return &family->array;
    case Part::range:
      return &family->range;
    case Part::multirange:
      return &family->multirange;
    default:
      return &family->element;
  }
}

Oid named_type(const CallArgument* argument, int32* typmod) {
  Oid type;
  parseTypeString(argument->type_name, &type, typmod, true);
  if (!OidIsValid(type))
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("type \"%s\" does not exist", argument->type_name),
             errdetail("An argument that begins with a letter and has a colon is read as TYPE:VALUE."),
             errhint("To pass it as it is, write text:%s", argument->written)));
  return type;
}

PassedArgument value_of(const Item* item) {
  PassedArgument to = {item->type, item->typmod, 0, item->text == nullptr};
  const TypeInfo* type = usable_type(to.type);
  if (item->text == nullptr) return to;
  if (to.typmod < 0) {
    type_from_text(type, InvalidOid, -1, item->text, strlen(item->text), &to.value);
    return to;
  }
  // Values of the upstream come with their modifier applied; this one does not.
  Oid input, parameter;
  getTypeInputInfo(to.type, &input, &parameter);
  to.value = OidInputFunctionCall(input, const_cast<char*>(item->text), parameter, to.typmod);
  return to;
}

// --- polymorphic parameters
// ------------------------------------------------------------------------------------

[[noreturn]] void not_alike(Oid declared, Oid one, Oid other) {
  ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                  errmsg("arguments declared \"%s\" are not all alike", format_type_be(declared)),
                  errdetail("%s versus %s", format_type_be(one), format_type_be(other))));
}

[[noreturn]] void not_consistent(const char* one, const char* other, Oid type, Oid wanted) {
  ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                  errmsg("argument declared %s is not consistent with argument declared %s", one, other),
                  errdetail("%s versus %s", format_type_be(type), format_type_be(wanted))));
}

// The element, for the other parts of a family, of a value of `type` for a parameter declared `declared`.
Oid element_of(Oid declared, Oid type) {
  const Part part = part_of(declared);
  Oid element = type;
  int32 typmod = -1;
  const char* what = nullptr;
  if (part == Part::array) {
    element = get_element_type(learn_base_type(type, &typmod));
    what = "an array";
  } else if (part == Part::range || part == Part::multirange) {
    const RangeInfo* range = learn_range(type);
    const bool fits = range != nullptr && type == (part == Part::range ? range->range : range->multirange);
    element = fits ? range->subtype : InvalidOid;
    what = part == Part::range ? "a range" : "a multirange";
  }
  if (!OidIsValid(element))
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("argument declared %s is not %s type but type %s",
                                                        format_type_be(declared), what, format_type_be(type))));
  return element;
}

// Enums and things that are no arrays.
void check_kind(Oid declared, Oid type) {
  if (declared == ANYENUMOID && get_typtype(type) != TYPTYPE_ENUM)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("type matched to anyenum is not an enum type: %s", format_type_be(type))));
  if ((declared == ANYNONARRAYOID || declared == ANYCOMPATIBLENONARRAYOID) &&
      OidIsValid(get_element_type(type)))
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("type matched to %s is an array type: %s",
                           declared == ANYNONARRAYOID ? "anynonarray" : "anycompatiblenonarray",
                           format_type_be(type))));
}

// Ranges and multiranges, of either family, are what they are; each part's arguments have the same type.
void agree_on(Family* family, const Item* item) {
  const Part part = part_of(item->wanted);
  int32 typmod = -1;
  const Oid type = part == Part::array ? learn_base_type(item->type, &typmod) : item->type;
  Oid* known = member(family, part);
  if (OidIsValid(*known) && *known != type) not_alike(item->wanted, *known, type);
  *known = type;
}

// The common type of the elements, which the upstream's parser knows how to choose.
Oid common_type(const Oid* types, int count) {
  bool alike = true;
  for (int i = 1; i < count; i++) alike = alike && types[i] == types[0];
  if (count == 0) return InvalidOid;
  if (alike) return types[0];
  StringInfoData query;
  initStringInfo(&query);
  appendStringInfoString(&query,
                         "SELECT typelem FROM pg_catalog.pg_type WHERE oid = pg_catalog.pg_typeof(ARRAY[");
  for (int i = 0; i < count; i++)
    appendStringInfo(&query, "%sNULL::%s", i > 0 ? ", " : "",
                     format_type_extended(types[i], -1, FORMAT_TYPE_FORCE_QUALIFY));
  appendStringInfoString(&query, "])");
  return bgw_catalog_oid("the common type of a call's arguments", query.data, 0, nullptr, nullptr);
}

// What is not known of a family and follows from the rest.
void complete(Family* family) {
  if (OidIsValid(family->multirange) && !OidIsValid(family->range))
    family->range = learn_range(family->multirange)->range;
  if (OidIsValid(family->range)) {
    const RangeInfo* range = learn_range(family->range);
    if (OidIsValid(family->multirange) && family->multirange != range->multirange)
      not_consistent("anymultirange", "anyrange", family->multirange, family->range);
    family->multirange = range->multirange;
    if (OidIsValid(family->element) && family->element != range->subtype)
      not_consistent("anyrange", "anyelement", family->range, family->element);
    family->element = range->subtype;
  }
  if (OidIsValid(family->array)) {
    const Oid element = get_element_type(family->array);
    if (OidIsValid(family->element) && family->element != element)
      not_consistent("anyarray", "anyelement", family->array, family->element);
    family->element = element;
  }
  if (OidIsValid(family->element)) family->array = get_array_type(family->element);
}

Family anyelement_family(const Item* items, int count) {
  Family family = {};
  for (int i = 0; i < count; i++) {
    const Item* item = &items[i];
    if (part_of(item->wanted) == Part::none || of_compatible_family(item->wanted) || !OidIsValid(item->type))
      continue;
    (void)element_of(item->wanted, item->type);
    agree_on(&family, item);
  }
  complete(&family);
  return family;
}

Family anycompatible_family(const Item* items, int count) {
  Family family = {};
  auto* elements = static_cast<Oid*>(palloc(sizeof(Oid) * static_cast<Size>(count + 1)));
  int found = 0;
  for (int i = 0; i < count; i++) {
    const Item* item = &items[i];
    if (!of_compatible_family(item->wanted) || !OidIsValid(item->type)) continue;
    const Part part = part_of(item->wanted);
    elements[found] = element_of(item->wanted, item->type);
    if (part == Part::range || part == Part::multirange) {
      // Ranges are not converted: their subtype is the common type.
      agree_on(&family, item);
      family.element = elements[found];
    }
    found++;
  }
  if (!OidIsValid(family.element)) family.element = common_type(elements, found);
  complete(&family);
  return family;
}

// A value of a type in the place of one of another, as a cast in the upstream makes it.
void convert(Item* item, Oid type) {
  if (item->text != nullptr) {
    const Oid text = TEXTOID;
    Item before = *item;
    const char* value = type_to_text(usable_type(item->type), value_of(&before).value);
    const char* from = format_type_with_typemod(item->type, -1);
    item->text = bgw_catalog_text("a conversion of an argument",
                                  psprintf("SELECT $1::%s::%s::pg_catalog.text", from,
                                           format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY)),
                                  1, &text, &value);
  }
  item->type = type;
  item->typmod = -1;
}

// Gives every item of a polymorphic parameter its type.
void settle(Item* items, int count, Family* element_family, Family* compatible_family) {
  for (int i = 0; i < count; i++) {
    Item* item = &items[i];
    const Part part = part_of(item->wanted);
    if (part == Part::none) continue;
    const bool compatible = of_compatible_family(item->wanted);
    const Oid type = *member(compatible ? compatible_family : element_family, part);
    if (!OidIsValid(type))
      ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                      errmsg("could not determine polymorphic type because input has type %s", "unknown"),
                      errhint("Give an argument with its type, as TYPE:VALUE or NULL::TYPE.")));
    check_kind(item->wanted, type);
    if (!OidIsValid(item->type))
      item->type = type;
    else if (compatible && item->type != type)
      convert(item, type);
  }
}

// The type that takes a polymorphic one's place in the result.
Oid result_type(Oid type, Family* element_family, Family* compatible_family) {
  const Part part = part_of(type);
  if (part == Part::none) return type;
  const Oid found = *member(of_compatible_family(type) ? compatible_family : element_family, part);
  if (!OidIsValid(found))
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("could not determine polymorphic type because input has type %s", "unknown"),
                    errhint("Give the type with --returns.")));
  return found;
}

CallResult settle_result(const CallResult* declared, Family* element_family, Family* compatible_family) {
  CallResult result = *declared;
  result.type = result_type(declared->type, element_family, compatible_family);
  if (result.type != declared->type) result.row = learn_row_columns(result.type);
  for (int i = 0; declared->row != nullptr && i < declared->row->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(declared->row, i);
    const Oid type = result_type(att->atttypid, element_family, compatible_family);
    if (type == att->atttypid) continue;
    TupleDescInitEntry(declared->row, static_cast<AttrNumber>(i + 1), pstrdup(NameStr(att->attname)), type, -1,
                       0);
  }
  return result;
}

// --- VARIADIC
// --------------------------------------------------------------------------------------------------

// The type that the elements of a collected tail are declared with.
Oid element_wanted(Oid declared) {
  switch (declared) {
    case ANYARRAYOID:
      return ANYELEMENTOID;
    case ANYCOMPATIBLEARRAYOID:
      return ANYCOMPATIBLEOID;
    default:
      return get_element_type(declared);
  }
}

PassedArgument collect(const Item* items, int count) {
  auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * static_cast<Size>(count)));
  auto* nulls = static_cast<bool*>(palloc(sizeof(bool) * static_cast<Size>(count)));
  for (int i = 0; i < count; i++) {
    const PassedArgument element = value_of(&items[i]);
    values[i] = element.value;
    nulls[i] = element.isnull;
  }
  int16 length;
  bool by_value;
  char align;
  get_typlenbyvalalign(items[0].type, &length, &by_value, &align);
  int bound = 1;
  ArrayType* array =
      construct_md_array(values, nulls, 1, &count, &bound, items[0].type, length, by_value, align);
  return {get_array_type(items[0].type), -1, PointerGetDatum(array), false};
}

}  // namespace

const TypeInfo* usable_type(Oid type) {
  const TypeInfo* info = learn_type(type);
  if (info == nullptr || !info->constructible)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("values of type %s are not available outside the server",
                           info ? format_type_be(type) : psprintf("with OID %u", type))));
  return info;
}

PassedArguments read_call_arguments(const CallDeclaration* declared, const CallArgument* given, int count) {
  PassedArguments passed = {};
  const bool given_variadic = count > 0 && given[count - 1].variadic;
  const int declared_count = declared != nullptr && !declared->variadic_any ? declared->nargs : 0;
  const bool collects =
      declared != nullptr && declared->variadic && !given_variadic && count >= declared->nargs;
  const int item_count = Max(count, declared_count);
  auto* items = static_cast<Item*>(palloc0(sizeof(Item) * static_cast<Size>(item_count + 1)));
  for (int i = 0; i < item_count; i++) {
    Item* item = &items[i];
    item->typmod = -1;
    if (declared != nullptr && i < declared->nargs) item->wanted = declared->argtypes[i];
    if (collects && i >= declared->nargs - 1)
      item->wanted = element_wanted(declared->argtypes[declared->nargs - 1]);
    const TypeInfo* wanted = OidIsValid(item->wanted) ? learn_type(item->wanted) : nullptr;
    const bool by_declaration =
        item->wanted == CSTRINGOID || (wanted != nullptr && wanted->typtype != TYPTYPE_PSEUDO);
    if (i >= count) {
      item->text = default_argument_text(declared->function, i);
      item->type = by_declaration ? item->wanted : default_argument_type(declared->function, i);
      continue;
    }
    item->text = given[i].text;
    const Oid looks_like = item->text != nullptr ? guess_literal_type(item->text) : TEXTOID;
    if (given[i].type_name != nullptr)
      item->type = named_type(&given[i], &item->typmod);
    else if (by_declaration)
      item->type = item->wanted;
    else if (part_of(item->wanted) == Part::none || looks_like != TEXTOID)
      item->type = looks_like;
    // else a literal that the other arguments may give a type
  }
  Family element_family = anyelement_family(items, item_count);
  Family compatible_family = anycompatible_family(items, item_count);
  // A bare word that nothing else gives a type is a text, as it is without a declaration.
  for (int i = 0; i < item_count; i++) {
    if (OidIsValid(items[i].type) || part_of(items[i].wanted) != Part::element || items[i].text == nullptr)
      continue;
    Family* family = of_compatible_family(items[i].wanted) ? &compatible_family : &element_family;
    if (OidIsValid(family->element)) continue;
    family->element = TEXTOID;
    complete(family);
  }
  settle(items, item_count, &element_family, &compatible_family);

  passed.count = collects ? declared->nargs : item_count;
  passed.variadic = collects || given_variadic;
  passed.args =
      static_cast<PassedArgument*>(palloc0(sizeof(PassedArgument) * static_cast<Size>(passed.count + 1)));
  for (int i = 0; i < passed.count; i++)
    passed.args[i] =
        collects && i == passed.count - 1 ? collect(&items[i], item_count - i) : value_of(&items[i]);
  if (declared != nullptr)
    passed.result = settle_result(&declared->result, &element_family, &compatible_family);
  return passed;
}

}  // namespace bgw
