// What a frontend does with litink's tables, compiled against the types that `supabase gen types`
// makes of them.
import { createClient } from '@supabase/supabase-js'
import type { Database } from './database.js'

type Book = Database['public']['Tables']['books']['Row']

const supabase = createClient<Database>('http://127.0.0.1:54321', 'sb_publishable_key')

export async function published(): Promise<Pick<Book, 'id' | 'title'>[]> {
  const { data, error } = await supabase
    .from('books')
    .select('id, title')
    .eq('visibility', 'published')
    .order('title')
  if (error) throw error
  return data
}

export async function publish(id: Book['id'], version: Book['version']): Promise<boolean> {
  const { data, error } = await supabase
    .from('books')
    .update({ visibility: 'published' })
    .eq('id', id)
    .eq('version', version)
    .select('id, version')
  if (error) throw error
  return data.length === 1
}

export async function titlesOf(book: Book['id']): Promise<(string | null)[]> {
  const { data, error } = await supabase
    .from('chapters')
    .select('title')
    .eq('book_id', book)
    .order('position')
  if (error) throw error
  return data.map((chapter) => chapter.title)
}
