/*
 * One of two functions, by how many arguments a call has: BGWORKER_COMPAT_THIRD(arguments, with two, with one, ).
 */
#ifndef BGWORKER_COMPAT_ARGUMENTS_H
#define BGWORKER_COMPAT_ARGUMENTS_H

#define BGWORKER_COMPAT_THIRD(a, b, c, ...) c
#define BGWORKER_COMPAT_FOURTH(a, b, c, d, ...) d
#define BGWORKER_COMPAT_FIFTH(a, b, c, d, e, ...) e
#define BGWORKER_COMPAT_SIXTH(a, b, c, d, e, f, ...) f

#endif
