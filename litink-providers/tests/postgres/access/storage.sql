-- As much of Supabase Storage as its policies are about, and no table granted: what is allowed after
-- the migrations, they allowed. Needs the roles.
CREATE SCHEMA storage;
GRANT USAGE ON SCHEMA storage TO anon;
CREATE TABLE storage.buckets (
    id         text        PRIMARY KEY,
    name       text        NOT NULL UNIQUE,
    owner      uuid,
    public     boolean     DEFAULT false,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE storage.objects (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    bucket_id  text        REFERENCES storage.buckets (id),
    name       text,
    owner      uuid,
    metadata   jsonb,
    created_at timestamptz DEFAULT now()
);
CREATE UNIQUE INDEX bucketid_objname ON storage.objects (bucket_id, name);
