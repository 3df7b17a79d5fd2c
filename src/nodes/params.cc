// Lists of parameter values (nodes/params.h), as SPI's newer functions take them.
//
// A list that fetches its values when they are asked for is copied by asking for each.
extern "C" {
#include "postgres.h"
#include "nodes/params.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
}

extern "C" {

ParamListInfo makeParamList(int numParams) {
  const Size size =
      offsetof(ParamListInfoData, params) + static_cast<Size>(numParams) * sizeof(ParamExternData);
  ParamListInfo list = static_cast<ParamListInfo>(palloc0(size));
  list->numParams = numParams;
  return list;
}

ParamListInfo copyParamList(ParamListInfo from) {
  if (from == nullptr || from->numParams <= 0) return nullptr;
  ParamListInfo copy = makeParamList(from->numParams);
  for (int i = 0; i < from->numParams; ++i) {
    ParamExternData fetched;
    const ParamExternData* source =
        from->paramFetch != nullptr ? from->paramFetch(from, i + 1, false, &fetched) : &from->params[i];
    ParamExternData* target = &copy->params[i];
    *target = *source;
    if (target->isnull || !OidIsValid(target->ptype)) continue;
    int16 length;
    bool by_value;
    get_typlenbyval(target->ptype, &length, &by_value);
    target->value = datumCopy(source->value, by_value, length);
  }
  return copy;
}

}  // extern "C"
