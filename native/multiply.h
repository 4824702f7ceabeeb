#pragma once

#include "product.h"
#include "splitProduct.h"

namespace p2p {

// By tiles of bfloat16 where that is faster; `each` is the rows of one picture in all products, by which it is decided: a picture's numbers
// are to be the same whichever others are computed with it.
inline void multiply(tensorflow::OpKernelContext* context, const Matrices& all, int64_t each) {
  if (SplitProduct::Pays(each * all.in * all.out)) SplitProduct::Compute(context, all);
  else Product::Compute(context, all);
}

}  // namespace p2p
