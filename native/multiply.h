#pragma once

#include "product.h"
#include "splitProduct.h"

namespace p2p {

// Uses bfloat16 tiles where they are faster. This is decided by `each`, the rows of one picture in all products, because a picture's
// numbers must be the same whichever others are computed with it.
inline void multiply(tensorflow::OpKernelContext* context, const Matrices& all, int64_t each) {
  if (SplitProduct::Pays(each * all.in * all.out)) SplitProduct::Compute(context, all);
  else Product::Compute(context, all);
}

}  // namespace p2p
