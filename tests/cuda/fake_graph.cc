/* fake_graph.cc - cuDNN's graph interface as far as attention takes it, on the device that is none.
 *
 * It refuses what is not filled, finalized or consistent, says that its heuristics know more than it then
 * gives, and tempts: the first engine is not deterministic, the second sums in bf16, the third wants more
 * memory than there is. Weights are rounded to bf16, as tensor cores want them; workspace is overwritten. */
#include <cudnn.h>

#include "tests/cuda/fake.h"
#include "tests/cuda/fake_parts.h"

#include <map>
#include <math.h>
#include <set>
#include <vector>

/* ---- descriptors ------------------------------------------------------------------------------- */

struct tensor {
    int64_t uid, alignment;
    cudnnDataType_t type;
    std::vector<int64_t> sizes, strides;
    bool by_value;
};

struct attention {
    tensor q, k, v, y, scale, saved;
    bool has_saved;
};

struct engine {
    int index, places; /* how many configurations of it there are */
    bool deterministic, fine;
    int64_t workspace;
};

static const engine engines[] = {{5, 1, false, true, 0},
                                 {6, 1, true, false, 0},
                                 {7, 1, true, true, (int64_t)1 << 50},
                                 {9, 2, true, true, 1000},
                                 {8, 1, true, true, 0}};

/* An engine's configuration. */
struct way {
    const engine *by;
    int place; /* from 1 on */
};

struct descriptor {
    int type;
    bool final;
    std::map<int, std::vector<char>> values; /* as they were set, by attribute */
    tensor t;                                /* of a tensor */
    attention a;                             /* of all from the operation on to the plan */
    way w;                                   /* of a configuration, an engine, a plan */
};

static int number_of(const way &w)
{
    return 100 * w.by->index + w.place;
}

static bool is(int way_number, const way &w)
{
    return way_number == EVERY_WAY || way_number == number_of(w);
}

/* What may be set. */
struct rule {
    int of, name, type;
    int64_t most;
    bool required;
    int part; /* of parts: which descriptors they are */
};

static const int TENSOR = CUDNN_BACKEND_TENSOR_DESCRIPTOR,
                 ATTENTION = CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR,
                 GRAPH = CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, LIST = CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR,
                 CONFIG = CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, ENGINE = CUDNN_BACKEND_ENGINE_DESCRIPTOR,
                 PLAN = CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, PACK = CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
                 PART = CUDNN_TYPE_BACKEND_DESCRIPTOR;

static const rule rules[] = {{TENSOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, true, 0},
                             {TENSOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, true, 0},
                             {TENSOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 8, true, 0},
                             {TENSOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 8, true, 0},
                             {TENSOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, true, 0},
                             {TENSOR, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, false, 0},
                             {ATTENTION, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, PART, 1, true, TENSOR},
                             {ATTENTION, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, PART, 1, true, TENSOR},
                             {ATTENTION, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, PART, 1, true, TENSOR},
                             {ATTENTION, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, PART, 1, true, TENSOR},
                             {ATTENTION, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, PART, 1, true, TENSOR},
                             {ATTENTION, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, PART, 1, false, TENSOR},
                             {GRAPH, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, true, 0},
                             {GRAPH, CUDNN_ATTR_OPERATIONGRAPH_OPS, PART, 1, true, ATTENTION},
                             {LIST, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, PART, 1, true, GRAPH},
                             {LIST, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, true, 0},
                             {PLAN, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, PART, 1, true, CONFIG},
                             {PACK, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 16, true, 0},
                             {PACK, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 16, true, 0},
                             {PACK, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, true, 0}};

static size_t size_of(int type)
{
    switch (type) {
    case CUDNN_TYPE_BOOLEAN:
        return sizeof(bool);
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_HEUR_MODE:
        return sizeof(cudnnDataType_t);
    default:
        return 8;
    }
}

template <class T> static std::vector<T> values_of(const descriptor *d, int name)
{
    auto at = d->values.find(name);
    std::vector<T> out;

    if (at != d->values.end()) {
        out.resize(at->second.size() / sizeof(T));
        memcpy((void *)out.data(), at->second.data(), at->second.size());
    }
    return out;
}

template <class T> static T value_of(const descriptor *d, int name)
{
    T out;

    memcpy(&out, d->values.at(name).data(), sizeof out);
    return out;
}

static const descriptor *part_of(const descriptor *d, int name)
{
    return value_of<const descriptor *>(d, name);
}

static bool tells(const descriptor *d, int name)
{
    return d->values.count(name) != 0;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *out)
{
    if (type == ATTENTION && fake_libraries.cudnn_version < 91300)
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED, "a descriptor of a later version");
    *out = new descriptor{(int)type, false, {}, {}, {}, {}};
    fake_libraries.descriptors++;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d)
{
    fake_libraries.descriptors -= d != NULL;
    delete (descriptor *)d;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t of, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    descriptor *d = (descriptor *)of;
    const rule *known = NULL;

    if (!d || !values)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "an attribute");
    for (const rule &r : rules)
        if (r.of == d->type && r.name == name)
            known = &r;
    if (!known || d->final)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "an attribute that cannot be set");
    if (known->type != (int)type)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "an attribute's type");
    if (count < 1 || count > known->most)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "an attribute's count");
    for (int64_t i = 0; known->part && i < count; i++) {
        const descriptor *part = ((const descriptor *const *)values)[i];

        if (!part || part->type != known->part)
            return fake_refuse(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "a part");
        if (!part->final)
            return fake_refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a part");
    }
    d->values[name].assign((const char *)values, (const char *)values + (size_t)count * size_of(type));
    return CUDNN_STATUS_SUCCESS;
}

/* ---- finalizing -------------------------------------------------------------------------------- */

static cudnnStatus_t finish_tensor(descriptor *d)
{
    tensor *t = &d->t;

    t->uid = value_of<int64_t>(d, CUDNN_ATTR_TENSOR_UNIQUE_ID);
    t->type = value_of<cudnnDataType_t>(d, CUDNN_ATTR_TENSOR_DATA_TYPE);
    t->alignment = value_of<int64_t>(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    t->sizes = values_of<int64_t>(d, CUDNN_ATTR_TENSOR_DIMENSIONS);
    t->strides = values_of<int64_t>(d, CUDNN_ATTR_TENSOR_STRIDES);
    t->by_value = tells(d, CUDNN_ATTR_TENSOR_IS_BY_VALUE) && value_of<bool>(d, CUDNN_ATTR_TENSOR_IS_BY_VALUE);
    if (t->sizes.size() != t->strides.size() || t->alignment < 1)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "a tensor");
    for (size_t i = 0; i < t->sizes.size(); i++)
        if (t->sizes[i] < 1 || t->strides[i] < 1)
            return fake_refuse(CUDNN_STATUS_BAD_PARAM, "a size of a tensor");
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finish_attention(descriptor *d)
{
    attention *a = &d->a;
    std::set<int64_t> uids;

    a->q = part_of(d, CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC)->t;
    a->k = part_of(d, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC)->t;
    a->v = part_of(d, CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC)->t;
    a->y = part_of(d, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC)->t;
    a->scale = part_of(d, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC)->t;
    a->has_saved = tells(d, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC);
    if (a->has_saved)
        a->saved = part_of(d, CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC)->t;
    for (const tensor *t : {&a->q, &a->k, &a->v, &a->y, &a->scale})
        uids.insert(t->uid);
    if (uids.size() != 5 || (a->has_saved && uids.count(a->saved.uid)))
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "two tensors of one name");
    for (const tensor *t : {&a->k, &a->v, &a->y})
        if (t->sizes != a->q.sizes || t->sizes.size() != 4)
            return fake_refuse(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "sizes of images");
    if (a->has_saved &&
        a->saved.sizes != std::vector<int64_t>{a->q.sizes[0], a->q.sizes[1], a->q.sizes[2], 1})
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "sizes of logarithms");
    if (!a->scale.by_value || a->scale.sizes != std::vector<int64_t>{1} || a->saved.by_value)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "what is a value");
    return CUDNN_STATUS_SUCCESS;
}

/* Whether there is an engine for it. */
static cudnnStatus_t supported(const attention &a)
{
    if (fake.major < 8)
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH, "attention");
    for (const tensor *t : {&a.q, &a.k, &a.v, &a.y}) {
        if (t->type != CUDNN_DATA_BFLOAT16)
            return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "attention");
        if (t->sizes[3] % 8 || t->sizes[3] > 256)
            return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "a head's size");
        if (t->strides[3] != 1 || t->strides[0] % 8 || t->strides[1] % 8 || t->strides[2] % 8 ||
            t->alignment < 16)
            return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "attention");
    }
    if (a.scale.type != CUDNN_DATA_FLOAT || (a.has_saved && a.saved.type != CUDNN_DATA_FLOAT))
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "attention's numbers");
    if (a.has_saved && (a.saved.strides[2] != 1 || a.saved.strides[1] != a.saved.sizes[2] ||
                        a.saved.strides[0] != a.saved.sizes[1] * a.saved.sizes[2]))
        return fake_refuse(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "logarithms");
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finish_plan(descriptor *d)
{
    const descriptor *config = part_of(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);

    d->a = config->a;
    d->w = config->w;
    fake_libraries.plans++;
    if (is(fake_libraries.refused_way, d->w))
        return fake_refuse(CUDNN_STATUS_INTERNAL_ERROR_COMPILATION_FAILED, "a plan");
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finish_pack(descriptor *d)
{
    std::vector<int64_t> uids = values_of<int64_t>(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);

    if (uids.size() != values_of<void *>(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size())
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "counts of names and pointers");
    if (std::set<int64_t>(uids.begin(), uids.end()).size() != uids.size())
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "two pointers of one name");
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t of)
{
    descriptor *d = (descriptor *)of;
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;

    if (!d)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a descriptor");
    if (d->final || d->type == CONFIG || d->type == ENGINE)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "a descriptor that cannot be finalized");
    for (const rule &r : rules)
        if (r.of == d->type && r.required && !tells(d, r.name))
            return fake_refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "an attribute that was not set");
    if (d->type == TENSOR)
        status = finish_tensor(d);
    else if (d->type == ATTENTION)
        status = finish_attention(d);
    else if (d->type == GRAPH)
        d->a = part_of(d, CUDNN_ATTR_OPERATIONGRAPH_OPS)->a;
    else if (d->type == LIST)
        d->a = part_of(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)->a;
    else if (d->type == PLAN)
        status = finish_plan(d);
    else
        status = finish_pack(d);
    d->final = status == CUDNN_STATUS_SUCCESS;
    return status;
}

/* ---- asking ------------------------------------------------------------------------------------- */

static std::vector<way> ways_of(const descriptor *list)
{
    std::vector<way> out;

    if (fake_libraries.no_algorithms || supported(list->a) != CUDNN_STATUS_SUCCESS ||
        value_of<cudnnBackendHeurMode_t>(list, CUDNN_ATTR_ENGINEHEUR_MODE) != CUDNN_HEUR_MODE_A)
        return out;
    for (const engine &e : engines)
        for (int place = 1; place <= e.places; place++)
            out.push_back({&e, place});
    return out;
}

/* Fills a descriptor that the caller has made. */
static cudnnStatus_t give(const descriptor *from, const way &w, void *to, int type)
{
    descriptor *d = (descriptor *)to;

    if (!d || d->type != type || d->final)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "a descriptor to fill");
    d->a = from->a;
    d->w = w;
    d->final = true;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t give_ways(const descriptor *d, int64_t requested, int64_t *count, void *out)
{
    std::vector<way> ways = ways_of(d);
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;

    *count = (int64_t)ways.size() + 1; /* one does not work here */
    if (requested == 0)
        return status;
    *count = requested < (int64_t)ways.size() ? requested : (int64_t)ways.size();
    for (int64_t i = 0; i < *count && status == CUDNN_STATUS_SUCCESS; i++)
        status = give(d, ways[(size_t)i], ((void **)out)[i], CONFIG);
    return status;
}

static cudnnStatus_t give_notes(const descriptor *d, int64_t requested, int64_t *count, void *out)
{
    std::vector<cudnnBackendNumericalNote_t> notes = {CUDNN_NUMERICAL_NOTE_TENSOR_CORE};

    if (!d->w.by->deterministic)
        notes.push_back(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
    if (!d->w.by->fine)
        notes.push_back(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION);
    *count = requested < (int64_t)notes.size() ? requested : (int64_t)notes.size();
    memcpy(out, notes.data(), (size_t)*count * sizeof notes[0]);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const of, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t requested, int64_t *count,
                                       void *out)
{
    const descriptor *d = (const descriptor *)of;
    int64_t answer;

    if (!d || !count || (requested && !out))
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "an attribute");
    if (!d->final)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a descriptor that is asked");
    if (d->type == LIST && name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == PART)
        return give_ways(d, requested, count, out);
    if (d->type == ENGINE && name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE)
        return give_notes(d, requested, count, out);
    if (requested != 1)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "how many are asked for");
    *count = 1;
    if (d->type == CONFIG && name == CUDNN_ATTR_ENGINECFG_ENGINE && type == PART)
        return give(d, d->w, *(void **)out, ENGINE);
    if (d->type == ENGINE && name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX && type == CUDNN_TYPE_INT64)
        answer = d->w.by->index;
    else if (d->type == PLAN && name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64)
        answer = d->w.by->workspace;
    else
        return fake_refuse(CUDNN_STATUS_BAD_PARAM, "an attribute that cannot be asked for");
    memcpy(out, &answer, sizeof answer);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- running ----------------------------------------------------------------------------------- */

/* Of a run: the operation, how, and where its images lie. */
struct task {
    attention a;
    way w;
    const void *q, *k, *v;
    void *y;
    float *saved;
    float scale;
    bool wrong, wrong_saving;
};

static size_t at(const tensor &t, const int64_t place[4])
{
    return (size_t)(place[0] * t.strides[0] + place[1] * t.strides[1] + place[2] * t.strides[2] +
                    place[3] * t.strides[3]);
}

/* One token's result and logarithm. */
static void compute_token(const task &s, int64_t n, int64_t head, int64_t token)
{
    int64_t tokens = s.a.q.sizes[2], d = s.a.q.sizes[3];
    std::vector<float> weight((size_t)tokens);
    float largest = -INFINITY;
    double total = 0, chance = s.w.by->deterministic ? 1 : fake_chance();

    for (int64_t j = 0; j < tokens; j++) {
        double sum = 0;

        for (int64_t f = 0; f < d; f++) {
            const int64_t query[] = {n, head, token, f}, key[] = {n, head, j, f};

            sum += (double)fake_number_at(s.q, true, at(s.a.q, query)) *
                   fake_number_at(s.k, true, at(s.a.k, key));
        }
        weight[(size_t)j] = (float)sum * s.scale;
        largest = fmaxf(largest, weight[(size_t)j]);
    }
    for (float &w : weight) {
        w = expf(w - largest);
        total += w;
        w = fake_rounded(w, 7);
    }
    for (int64_t f = 0; f < d; f++) {
        const int64_t out[] = {n, head, token, f};
        double sum = 0;

        for (int64_t j = 0; j < tokens; j++) {
            const int64_t value[] = {n, head, s.wrong ? tokens - 1 - j : j, f};

            sum += (double)weight[(size_t)j] * fake_number_at(s.v, true, at(s.a.v, value));
            if (!s.w.by->fine)
                sum = fake_rounded((float)sum, 7);
        }
        fake_put_number(s.y, true, at(s.a.y, out), (float)(sum / total * chance));
    }
    if (s.saved) {
        const int64_t out[] = {n, head, token, 0};
        double logarithm = largest + log(total);

        s.saved[at(s.a.saved, out)] = (float)(s.wrong_saving ? logarithm / log(2) : logarithm);
    }
}

/* The bytes from the first to the last of a tensor. */
static size_t bytes_of(const tensor &t)
{
    int64_t last = 0;

    for (size_t i = 0; i < t.sizes.size(); i++)
        last += (t.sizes[i] - 1) * t.strides[i];
    return (size_t)(last + 1) * (t.type == CUDNN_DATA_BFLOAT16 ? 2 : 4);
}

/* Where the pack says that a tensor lies; NULL, with a status, when it says nothing sensible. */
static void *place_of(const std::map<int64_t, void *> &pack, const tensor &t, cudnnStatus_t *status)
{
    auto found = pack.find(t.uid);

    if (found == pack.end() || !found->second)
        *status = fake_refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "a tensor");
    else if ((size_t)found->second % (size_t)t.alignment && !t.by_value)
        *status = fake_refuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "a tensor");
    else if (fake_is_device(found->second, bytes_of(t)) == t.by_value)
        *status = fake_refuse(CUDNN_STATUS_BAD_PARAM, "a tensor that lies elsewhere, or is cut off");
    else
        return found->second;
    return NULL;
}

static cudnnStatus_t check_workspace(void *workspace, size_t bytes)
{
    if (bytes && !workspace)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "workspace");
    if (bytes && (size_t)workspace % 256)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "workspace");
    if (bytes && !fake_is_device(workspace, bytes))
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT, "workspace");
    return CUDNN_STATUS_SUCCESS;
}

/* How a run would be done; the number by value is taken now. */
static cudnnStatus_t prepare(const descriptor *plan, const descriptor *pack, task *s)
{
    std::vector<int64_t> uids = values_of<int64_t>(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    std::vector<void *> pointers = values_of<void *>(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    std::map<int64_t, void *> places;
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    void *scale;

    for (size_t i = 0; i < uids.size(); i++)
        places[uids[i]] = pointers[i];
    *s = {plan->a, plan->w, NULL, NULL, NULL, NULL, NULL, 0, false, false};
    s->wrong = is(fake_libraries.wrong_way, plan->w);
    s->wrong_saving = is(fake_libraries.wrong_saving_way, plan->w);
    s->q = place_of(places, s->a.q, &status);
    s->k = place_of(places, s->a.k, &status);
    s->v = place_of(places, s->a.v, &status);
    s->y = place_of(places, s->a.y, &status);
    scale = place_of(places, s->a.scale, &status);
    if (s->a.has_saved)
        s->saved = (float *)place_of(places, s->a.saved, &status);
    if (uids.size() != (s->a.has_saved ? 6 : 5))
        status = fake_refuse(CUDNN_STATUS_BAD_PARAM, "a tensor that the graph does not know");
    if (status == CUDNN_STATUS_SUCCESS)
        s->scale = *(const float *)scale;
    return status;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan_,
                                  cudnnBackendDescriptor_t pack_)
{
    const descriptor *plan = (const descriptor *)plan_, *pack = (const descriptor *)pack_;
    cudnnStatus_t status;
    size_t bytes;
    void *workspace;
    task s;

    if (!plan || !pack || plan->type != PLAN || pack->type != PACK)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "a plan and its pointers");
    if (!plan->final || !pack->final)
        return fake_refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a plan and its pointers");
    if (is(fake_libraries.failing_way, plan->w))
        return fake_refuse(CUDNN_STATUS_EXECUTION_FAILED, "as asked for");
    bytes = (size_t)plan->w.by->workspace;
    workspace = value_of<void *>(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
    status = check_workspace(workspace, bytes);
    if (status == CUDNN_STATUS_SUCCESS)
        status = prepare(plan, pack, &s);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    fake_libraries.attentions++;
    fake_libraries.by_chance += !s.w.by->deterministic;
    fake_libraries.last_way = number_of(s.w);
    fake_work(handle->stream, [=] {
        if (bytes)
            memset(workspace, 0xFF, bytes);
        for (int64_t n = 0; n < s.a.q.sizes[0]; n++)
            for (int64_t head = 0; head < s.a.q.sizes[1]; head++)
                for (int64_t token = 0; token < s.a.q.sizes[2]; token++)
                    compute_token(s, n, head, token);
    });
    return CUDNN_STATUS_SUCCESS;
}
