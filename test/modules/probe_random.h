/*
 * Arguments of probe modules drawn from a seed: the same sequence in the host as in the server.
 */
#pragma once

/* Where the sequence is: one place in a module, however many files it has. */
__attribute__((weak, visibility("hidden"))) uint64 state;

/* The next of a sequence that is the same wherever the seed is. */
static inline uint64
draw(void)
{
	uint64		z = (state += UINT64CONST(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline int
below(int n)
{
	return (int) (draw() % (uint64) n);
}

static inline const char *
one_of(const char *const *choices, int n)
{
	return choices[below(n)];
}
#define ONE_OF(...) one_of((const char *const[]) {__VA_ARGS__}, lengthof(((const char *const[]) {__VA_ARGS__})))
