// Owners of what OpenSSL allocates: `std::unique_ptr<BIO, OpensslFree<BIO_free>>`.

#ifndef FAIRLEAD_API_OPENSSL_PTR_H_
#define FAIRLEAD_API_OPENSSL_PTR_H_

namespace fairlead {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

}  // namespace fairlead

#endif  // FAIRLEAD_API_OPENSSL_PTR_H_
