#include "syntax.h"

namespace jedisim {

u32 bytes_of(std::string_view type) {
    if (type == "pred") return 0;
    if (type.size() == 2 && type[1] == '8') return 1;
    if (type.find("16x2") != type.npos || type == "tf32") return 4;
    if (type.find("16") != type.npos) return 2;
    return type.find("64") != type.npos ? 8 : 4;
}

} // namespace jedisim
