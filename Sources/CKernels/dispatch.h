// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
// CK_KERNEL(type, name, (parameters), (arguments)) { body } defines an exported loop. The compiler emits it for
// AVX-512, AVX2 + FMA and plain x86-64, and the loader takes the best one that the processor has. The body is an
// inline function of its own because clang checks the calling convention of vectors before it inlines: helpers that
// take vectors may only be called from code without a target, and the clone inlines it all.
// ThreadSanitizer cannot start programs with such clones.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CK_ONE_TARGET 1
#endif
#endif
#if defined(__x86_64__) && !defined(CK_ONE_TARGET)
#define CK_CLONES                                                              \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), \
                 min_vector_width(512)))
#else
#define CK_CLONES
#endif
#define CK_INLINE static inline __attribute__((always_inline))
#define CK_KERNEL(type, name, parameters, arguments)           \
  CK_INLINE type name##_body parameters;                       \
  CK_CLONES type name parameters { return name##_body arguments; } \
  CK_INLINE type name##_body parameters
#pragma clang diagnostic error "-Wpass-failed"
#pragma clang diagnostic ignored "-Wpsabi"
