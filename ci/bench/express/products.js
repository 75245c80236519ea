// What is for sale: reads come from Redis, and a write drops what it made stale.
import express from 'express'
import Redis from 'ioredis'
import Joi from 'joi'
import mongoose from 'mongoose'

const { PORT, MONGO_URL, REDIS_URL } = process.env
const SECONDS = 3600
const redis = new Redis(REDIS_URL)
const app = express()
app.use(express.json())

const Product = mongoose.model('Product', new mongoose.Schema({
  sku: { type: String, required: true, unique: true },
  name: { type: String, required: true },
  description: String,
  price: { amount: Number, currency: String },
  category: String,
  stock: { type: Number, default: 0 },
}, { timestamps: true }))

const shape = Joi.object({
  sku: Joi.string().required(),
  name: Joi.string().required(),
  description: Joi.string().allow(''),
  price: Joi.object({
    amount: Joi.number().integer().min(0).required(),
    currency: Joi.string().length(3).required(),
  }).required(),
  category: Joi.string(),
  stock: Joi.number().integer().min(0),
})

async function forget(...keys) {
  const lists = await redis.keys('products:*')
  await redis.del('products:', ...lists, ...keys)
}

app.get('/health', (req, res) => res.json({ status: 'ok' }))

app.get('/products', async (req, res) => {
  const limit = Math.min(Number(req.query.limit) || 20, 100)
  const page = Number(req.query.page) || 1
  const key = `products:${limit}:${page}`
  const cached = await redis.get(key)
  if (cached) return res.json(JSON.parse(cached))
  const items = await Product.find().sort({ createdAt: -1 })
    .skip((page - 1) * limit).limit(limit).lean()
  await redis.setex(key, SECONDS, JSON.stringify({ items, page }))
  res.json({ items, page })
})

app.get('/products/:id', async (req, res) => {
  const key = `product:${req.params.id}`
  const cached = await redis.get(key)
  if (cached) return res.json(JSON.parse(cached))
  const product = await Product.findById(req.params.id).lean()
  if (!product) return res.status(404).json({ message: 'Product not found' })
  await redis.setex(key, SECONDS, JSON.stringify(product))
  res.json(product)
})

app.post('/products', async (req, res) => {
  const { error, value } = shape.validate(req.body)
  if (error) return res.status(400).json({ message: error.message })
  const product = await Product.create(value)
  await forget()
  res.status(201).json(product)
})

app.put('/products/:id', async (req, res) => {
  const { error, value } = shape.validate(req.body)
  if (error) return res.status(400).json({ message: error.message })
  const product = await Product.findByIdAndUpdate(req.params.id, value, { new: true })
  if (!product) return res.status(404).json({ message: 'Product not found' })
  await forget(`product:${req.params.id}`)
  res.json(product)
})

app.delete('/products/:id', async (req, res) => {
  await Product.findByIdAndDelete(req.params.id)
  await forget(`product:${req.params.id}`)
  res.status(204).end()
})

await mongoose.connect(MONGO_URL)
// Longer than the gateway's connections rest; with Node's five seconds some requests are lost.
app.listen(PORT, '127.0.0.1').keepAliveTimeout = 65_000
