// Operators and functions of the geometric types (utils/geo_decls.h) that need no more than comparing and
// adding: where things lie to each other, their sizes, their parts. See geo_internal.hpp for the two kinds of
// comparison.
//
// Sums and products go through float8_pl() and its relatives, which raise the server's error on overflow.
#include <cmath>

#include "utils/geo_internal.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace {

using bgw::new_shape;

inline float8 width(const BOX& box) {
  return float8_mi(box.high.x, box.low.x);
}
inline float8 height(const BOX& box) {
  return float8_mi(box.high.y, box.low.y);
}
inline float8 area(const BOX& box) {
  return float8_mul(width(box), height(box));
}
inline float8 area(const CIRCLE& circle) {
  return float8_mul(float8_mul(circle.radius, circle.radius), M_PI);
}
inline float8 distance(const Point& a, const Point& b) {
  return pg_hypot(float8_mi(a.x, b.x), float8_mi(a.y, b.y));
}
inline float8 length(const LSEG& lseg) {
  return distance(lseg.p[0], lseg.p[1]);
}
inline Point middle(const Point& a, const Point& b) {
  return {float8_div(float8_pl(a.x, b.x), 2.0), float8_div(float8_pl(a.y, b.y), 2.0)};
}
inline Point sum(const Point& a, const Point& b) {
  return {float8_pl(a.x, b.x), float8_pl(a.y, b.y)};
}
inline Point difference(const Point& a, const Point& b) {
  return {float8_mi(a.x, b.x), float8_mi(a.y, b.y)};
}
// As complex numbers.
inline Point product(const Point& a, const Point& b) {
  return {float8_mi(float8_mul(a.x, b.x), float8_mul(a.y, b.y)),
          float8_pl(float8_mul(a.x, b.y), float8_mul(a.y, b.x))};
}
inline Point quotient(const Point& a, const Point& b) {
  const float8 square = float8_pl(float8_mul(b.x, b.x), float8_mul(b.y, b.y));
  return {float8_div(float8_pl(float8_mul(a.x, b.x), float8_mul(a.y, b.y)), square),
          float8_div(float8_mi(float8_mul(b.x, a.y), float8_mul(b.y, a.x)), square)};
}
inline bool overlap(const BOX& a, const BOX& b) {
  return FPle(a.low.x, b.high.x) && FPle(b.low.x, a.high.x) && FPle(a.low.y, b.high.y) &&
         FPle(b.low.y, a.high.y);
}
inline bool contains(const BOX& a, const BOX& b) {
  return FPge(a.high.x, b.high.x) && FPle(a.low.x, b.low.x) && FPge(a.high.y, b.high.y) &&
         FPle(a.low.y, b.low.y);
}

// Between their edges; none where they overlap.
inline float8 gap(const CIRCLE& a, const CIRCLE& b) {
  const float8 between = float8_mi(distance(a.center, b.center), float8_pl(a.radius, b.radius));
  return between < 0 ? 0 : between;
}

template <typename Shape>
Shape* copy_of(const Shape& shape) {
  Shape* copy = new_shape<Shape>();
  *copy = shape;
  return copy;
}

template <typename Move>
PATH* moved(FunctionCallInfo fcinfo, Move move) {
  PATH* path = PG_GETARG_PATH_P_COPY(0);
  const Point by = *PG_GETARG_POINT_P(1);
  for (int i = 0; i < path->npts; i++) path->p[i] = move(path->p[i], by);
  return path;
}

// The corners are put in order again: turning a box round turns them too.
template <typename Move>
BOX* moved_box(FunctionCallInfo fcinfo, Move move) {
  const BOX* box = PG_GETARG_BOX_P(0);
  const Point by = *PG_GETARG_POINT_P(1);
  return copy_of(bgw::box_of(move(box->high, by), move(box->low, by)));
}

}  // namespace

#define FUNCTION(name, Get1, Get2, Return, expression) \
  Datum name(PG_FUNCTION_ARGS) {                       \
    const auto& a = *Get1(0);                          \
    const auto& b = *Get2(1);                          \
    Return(expression);                                \
  }
#define OF_ONE(name, Get, Return, expression) \
  Datum name(PG_FUNCTION_ARGS) {              \
    const auto& a = *Get(0);                  \
    Return(expression);                       \
  }
#define TEST(name, Shape, expression) \
  FUNCTION(name, PG_GETARG_##Shape##_P, PG_GETARG_##Shape##_P, PG_RETURN_BOOL, expression)
// The six comparisons by a number that belongs to each side.
#define BY_SIZE(prefix, Shape, suffix_eq, size)          \
  TEST(prefix##suffix_eq, Shape, FPeq(size(a), size(b))) \
  TEST(prefix##_lt, Shape, FPlt(size(a), size(b)))       \
  TEST(prefix##_le, Shape, FPle(size(a), size(b)))       \
  TEST(prefix##_gt, Shape, FPgt(size(a), size(b)))       \
  TEST(prefix##_ge, Shape, FPge(size(a), size(b)))

extern "C" {

// By the formula and not by the C library's function, so that the last digit is the server's.
float8 pg_hypot(float8 x, float8 y) {
  if (isinf(x) || isinf(y)) return get_float8_infinity();
  if (isnan(x) || isnan(y)) return get_float8_nan();
  const float8 longer = Max(std::fabs(x), std::fabs(y)), shorter = Min(std::fabs(x), std::fabs(y));
  if (shorter == 0) return longer;
  const float8 ratio = shorter / longer;
  const float8 result = longer * std::sqrt(1.0 + ratio * ratio);
  if (isinf(result)) float_overflow_error();
  if (result == 0) float_underflow_error();
  return result;
}

// ---- points ----

TEST(point_left, POINT, FPlt(a.x, b.x))
TEST(point_right, POINT, FPgt(a.x, b.x))
TEST(point_above, POINT, FPgt(a.y, b.y))
TEST(point_below, POINT, FPlt(a.y, b.y))
TEST(point_vert, POINT, FPeq(a.x, b.x))
TEST(point_horiz, POINT, FPeq(a.y, b.y))
TEST(point_eq, POINT, bgw::same_point(a, b))
TEST(point_ne, POINT, !bgw::same_point(a, b))
FUNCTION(point_distance, PG_GETARG_POINT_P, PG_GETARG_POINT_P, PG_RETURN_FLOAT8, distance(a, b))
FUNCTION(point_slope, PG_GETARG_POINT_P, PG_GETARG_POINT_P, PG_RETURN_FLOAT8, bgw::slope(a, b))
FUNCTION(point_add, PG_GETARG_POINT_P, PG_GETARG_POINT_P, PG_RETURN_POINT_P, copy_of(sum(a, b)))
FUNCTION(point_sub, PG_GETARG_POINT_P, PG_GETARG_POINT_P, PG_RETURN_POINT_P, copy_of(difference(a, b)))
FUNCTION(point_mul, PG_GETARG_POINT_P, PG_GETARG_POINT_P, PG_RETURN_POINT_P, copy_of(product(a, b)))
FUNCTION(point_div, PG_GETARG_POINT_P, PG_GETARG_POINT_P, PG_RETURN_POINT_P, copy_of(quotient(a, b)))
OF_ONE(point_box, PG_GETARG_POINT_P, PG_RETURN_BOX_P, copy_of(BOX{a, a}))
Datum construct_point(PG_FUNCTION_ARGS) {
  PG_RETURN_POINT_P(copy_of(Point{PG_GETARG_FLOAT8(0), PG_GETARG_FLOAT8(1)}));
}

// ---- line segments ----

FUNCTION(lseg_construct, PG_GETARG_POINT_P, PG_GETARG_POINT_P, PG_RETURN_LSEG_P, (copy_of(LSEG{{a, b}})))
TEST(lseg_eq, LSEG, bgw::same_point(a.p[0], b.p[0]) && bgw::same_point(a.p[1], b.p[1]))
TEST(lseg_ne, LSEG, !bgw::same_point(a.p[0], b.p[0]) || !bgw::same_point(a.p[1], b.p[1]))
TEST(lseg_lt, LSEG, FPlt(length(a), length(b)))
TEST(lseg_le, LSEG, FPle(length(a), length(b)))
TEST(lseg_gt, LSEG, FPgt(length(a), length(b)))
TEST(lseg_ge, LSEG, FPge(length(a), length(b)))
OF_ONE(lseg_length, PG_GETARG_LSEG_P, PG_RETURN_FLOAT8, length(a))
OF_ONE(lseg_center, PG_GETARG_LSEG_P, PG_RETURN_POINT_P, copy_of(middle(a.p[0], a.p[1])))
OF_ONE(lseg_vertical, PG_GETARG_LSEG_P, PG_RETURN_BOOL, FPeq(a.p[0].x, a.p[1].x))
OF_ONE(lseg_horizontal, PG_GETARG_LSEG_P, PG_RETURN_BOOL, FPeq(a.p[0].y, a.p[1].y))

// ---- boxes ----

BY_SIZE(box, BOX, _eq, area)
TEST(box_same, BOX, bgw::same_point(a.high, b.high) && bgw::same_point(a.low, b.low))
TEST(box_overlap, BOX, overlap(a, b))
TEST(box_left, BOX, FPlt(a.high.x, b.low.x))
TEST(box_overleft, BOX, FPle(a.high.x, b.high.x))
TEST(box_right, BOX, FPgt(a.low.x, b.high.x))
TEST(box_overright, BOX, FPge(a.low.x, b.low.x))
TEST(box_below, BOX, FPlt(a.high.y, b.low.y))
TEST(box_overbelow, BOX, FPle(a.high.y, b.high.y))
TEST(box_above, BOX, FPgt(a.low.y, b.high.y))
TEST(box_overabove, BOX, FPge(a.low.y, b.low.y))
TEST(box_below_eq, BOX, FPle(a.high.y, b.low.y))
TEST(box_above_eq, BOX, FPge(a.low.y, b.high.y))
TEST(box_contain, BOX, contains(a, b))
TEST(box_contained, BOX, contains(b, a))
FUNCTION(box_contain_pt, PG_GETARG_BOX_P, PG_GETARG_POINT_P, PG_RETURN_BOOL,
         a.high.x >= b.x && a.low.x <= b.x && a.high.y >= b.y && a.low.y <= b.y)
OF_ONE(box_area, PG_GETARG_BOX_P, PG_RETURN_FLOAT8, area(a))
OF_ONE(box_width, PG_GETARG_BOX_P, PG_RETURN_FLOAT8, width(a))
OF_ONE(box_height, PG_GETARG_BOX_P, PG_RETURN_FLOAT8, height(a))
OF_ONE(box_center, PG_GETARG_BOX_P, PG_RETURN_POINT_P, copy_of(middle(a.high, a.low)))
OF_ONE(box_diagonal, PG_GETARG_BOX_P, PG_RETURN_LSEG_P, (copy_of(LSEG{{a.high, a.low}})))
FUNCTION(box_distance, PG_GETARG_BOX_P, PG_GETARG_BOX_P, PG_RETURN_FLOAT8,
         distance(middle(a.high, a.low), middle(b.high, b.low)))
FUNCTION(points_box, PG_GETARG_POINT_P, PG_GETARG_POINT_P, PG_RETURN_BOX_P, copy_of(bgw::box_of(a, b)))
Datum box_intersect(PG_FUNCTION_ARGS) {
  const BOX* a = PG_GETARG_BOX_P(0);
  const BOX* b = PG_GETARG_BOX_P(1);
  if (!overlap(*a, *b)) PG_RETURN_NULL();
  PG_RETURN_BOX_P(copy_of(BOX{{float8_min(a->high.x, b->high.x), float8_min(a->high.y, b->high.y)},
                              {float8_max(a->low.x, b->low.x), float8_max(a->low.y, b->low.y)}}));
}
Datum boxes_bound_box(PG_FUNCTION_ARGS) {
  const BOX* a = PG_GETARG_BOX_P(0);
  const BOX* b = PG_GETARG_BOX_P(1);
  PG_RETURN_BOX_P(copy_of(BOX{{float8_max(a->high.x, b->high.x), float8_max(a->high.y, b->high.y)},
                              {float8_min(a->low.x, b->low.x), float8_min(a->low.y, b->low.y)}}));
}
FUNCTION(box_add, PG_GETARG_BOX_P, PG_GETARG_POINT_P, PG_RETURN_BOX_P,
         (copy_of(BOX{sum(a.high, b), sum(a.low, b)})))
FUNCTION(box_sub, PG_GETARG_BOX_P, PG_GETARG_POINT_P, PG_RETURN_BOX_P,
         (copy_of(BOX{difference(a.high, b), difference(a.low, b)})))
Datum box_mul(PG_FUNCTION_ARGS) {
  PG_RETURN_BOX_P(moved_box(fcinfo, product));
}
Datum box_div(PG_FUNCTION_ARGS) {
  PG_RETURN_BOX_P(moved_box(fcinfo, quotient));
}

// ---- circles ----

BY_SIZE(circle, CIRCLE, _eq, area)
TEST(circle_ne, CIRCLE, FPne(area(a), area(b)))
TEST(circle_same, CIRCLE,
     ((isnan(a.radius) && isnan(b.radius)) || FPeq(a.radius, b.radius)) && bgw::same_point(a.center, b.center))
TEST(circle_overlap, CIRCLE, FPle(distance(a.center, b.center), float8_pl(a.radius, b.radius)))
TEST(circle_left, CIRCLE, FPlt(float8_pl(a.center.x, a.radius), float8_mi(b.center.x, b.radius)))
TEST(circle_overleft, CIRCLE, FPle(float8_pl(a.center.x, a.radius), float8_pl(b.center.x, b.radius)))
TEST(circle_right, CIRCLE, FPgt(float8_mi(a.center.x, a.radius), float8_pl(b.center.x, b.radius)))
TEST(circle_overright, CIRCLE, FPge(float8_mi(a.center.x, a.radius), float8_mi(b.center.x, b.radius)))
TEST(circle_below, CIRCLE, FPlt(float8_pl(a.center.y, a.radius), float8_mi(b.center.y, b.radius)))
TEST(circle_overbelow, CIRCLE, FPle(float8_pl(a.center.y, a.radius), float8_pl(b.center.y, b.radius)))
TEST(circle_above, CIRCLE, FPgt(float8_mi(a.center.y, a.radius), float8_pl(b.center.y, b.radius)))
TEST(circle_overabove, CIRCLE, FPge(float8_mi(a.center.y, a.radius), float8_mi(b.center.y, b.radius)))
TEST(circle_contain, CIRCLE, FPle(distance(a.center, b.center), float8_mi(a.radius, b.radius)))
TEST(circle_contained, CIRCLE, FPle(distance(a.center, b.center), float8_mi(b.radius, a.radius)))
FUNCTION(circle_contain_pt, PG_GETARG_CIRCLE_P, PG_GETARG_POINT_P, PG_RETURN_BOOL,
         distance(a.center, b) <= a.radius)
FUNCTION(pt_contained_circle, PG_GETARG_POINT_P, PG_GETARG_CIRCLE_P, PG_RETURN_BOOL,
         distance(b.center, a) <= b.radius)
OF_ONE(circle_area, PG_GETARG_CIRCLE_P, PG_RETURN_FLOAT8, area(a))
OF_ONE(circle_center, PG_GETARG_CIRCLE_P, PG_RETURN_POINT_P, copy_of(a.center))
OF_ONE(circle_radius, PG_GETARG_CIRCLE_P, PG_RETURN_FLOAT8, a.radius)
OF_ONE(circle_diameter, PG_GETARG_CIRCLE_P, PG_RETURN_FLOAT8, float8_mul(a.radius, 2.0))
FUNCTION(circle_distance, PG_GETARG_CIRCLE_P, PG_GETARG_CIRCLE_P, PG_RETURN_FLOAT8, gap(a, b))
Datum cr_circle(PG_FUNCTION_ARGS) {
  PG_RETURN_CIRCLE_P(copy_of(CIRCLE{*PG_GETARG_POINT_P(0), PG_GETARG_FLOAT8(1)}));
}
FUNCTION(circle_add_pt, PG_GETARG_CIRCLE_P, PG_GETARG_POINT_P, PG_RETURN_CIRCLE_P,
         (copy_of(CIRCLE{sum(a.center, b), a.radius})))
FUNCTION(circle_sub_pt, PG_GETARG_CIRCLE_P, PG_GETARG_POINT_P, PG_RETURN_CIRCLE_P,
         (copy_of(CIRCLE{difference(a.center, b), a.radius})))

// ---- paths ----

TEST(path_n_eq, PATH, a.npts == b.npts)
TEST(path_n_lt, PATH, a.npts < b.npts)
TEST(path_n_le, PATH, a.npts <= b.npts)
TEST(path_n_gt, PATH, a.npts > b.npts)
TEST(path_n_ge, PATH, a.npts >= b.npts)
OF_ONE(path_npoints, PG_GETARG_PATH_P, PG_RETURN_INT32, a.npts)
OF_ONE(path_isclosed, PG_GETARG_PATH_P, PG_RETURN_BOOL, a.closed)
OF_ONE(path_isopen, PG_GETARG_PATH_P, PG_RETURN_BOOL, !a.closed)
Datum path_close(PG_FUNCTION_ARGS) {
  PATH* path = PG_GETARG_PATH_P_COPY(0);
  path->closed = true;
  PG_RETURN_PATH_P(path);
}
Datum path_open(PG_FUNCTION_ARGS) {
  PATH* path = PG_GETARG_PATH_P_COPY(0);
  path->closed = false;
  PG_RETURN_PATH_P(path);
}
Datum path_length(PG_FUNCTION_ARGS) {
  const PATH* path = PG_GETARG_PATH_P(0);
  float8 result = 0;
  for (int i = path->closed ? 0 : 1; i < path->npts; i++)
    result = float8_pl(result, distance(path->p[i > 0 ? i - 1 : path->npts - 1], path->p[i]));
  PG_RETURN_FLOAT8(result);
}
Datum path_add_pt(PG_FUNCTION_ARGS) {
  PG_RETURN_PATH_P(moved(fcinfo, sum));
}
Datum path_sub_pt(PG_FUNCTION_ARGS) {
  PG_RETURN_PATH_P(moved(fcinfo, difference));
}
Datum path_mul_pt(PG_FUNCTION_ARGS) {
  PG_RETURN_PATH_P(moved(fcinfo, product));
}
Datum path_div_pt(PG_FUNCTION_ARGS) {
  PG_RETURN_PATH_P(moved(fcinfo, quotient));
}
Datum path_poly(PG_FUNCTION_ARGS) {
  const PATH* path = PG_GETARG_PATH_P(0);
  if (!path->closed)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("open path cannot be converted to polygon")));
  POLYGON* polygon = bgw::new_polygon(path->npts);
  for (int i = 0; i < path->npts; i++) polygon->p[i] = path->p[i];
  polygon->boundbox = bgw::box_around(polygon->p, polygon->npts);
  PG_RETURN_POLYGON_P(polygon);
}

// ---- polygons ----

// Exact, unlike the operators on boxes.
TEST(poly_left, POLYGON, a.boundbox.high.x < b.boundbox.low.x)
TEST(poly_overleft, POLYGON, a.boundbox.high.x <= b.boundbox.high.x)
TEST(poly_right, POLYGON, a.boundbox.low.x > b.boundbox.high.x)
TEST(poly_overright, POLYGON, a.boundbox.low.x >= b.boundbox.low.x)
TEST(poly_below, POLYGON, a.boundbox.high.y < b.boundbox.low.y)
TEST(poly_overbelow, POLYGON, a.boundbox.high.y <= b.boundbox.high.y)
TEST(poly_above, POLYGON, a.boundbox.low.y > b.boundbox.high.y)
TEST(poly_overabove, POLYGON, a.boundbox.low.y >= b.boundbox.low.y)
OF_ONE(poly_npoints, PG_GETARG_POLYGON_P, PG_RETURN_INT32, a.npts)
OF_ONE(poly_box, PG_GETARG_POLYGON_P, PG_RETURN_BOX_P, copy_of(a.boundbox))
Datum poly_path(PG_FUNCTION_ARGS) {
  const POLYGON* polygon = PG_GETARG_POLYGON_P(0);
  PATH* path = bgw::new_path(polygon->npts, true);
  for (int i = 0; i < polygon->npts; i++) path->p[i] = polygon->p[i];
  PG_RETURN_PATH_P(path);
}
Datum box_poly(PG_FUNCTION_ARGS) {
  const BOX* box = PG_GETARG_BOX_P(0);
  POLYGON* polygon = bgw::new_polygon(4);
  polygon->p[0] = box->low;
  polygon->p[1] = {box->low.x, box->high.y};
  polygon->p[2] = box->high;
  polygon->p[3] = {box->high.x, box->low.y};
  polygon->boundbox = *box;
  PG_RETURN_POLYGON_P(polygon);
}

}  // extern "C"
