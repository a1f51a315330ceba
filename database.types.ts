// Made by `npm run db:types` from the migrations. Do not edit.

export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  clixen: {
    Tables: {
      projects: {
        Row: {
          color: string
          created_at: string
          description: string | null
          id: string
          last_activity_at: string
          name: string
          updated_at: string
          user_id: string
          workflow_count: number
        }
        Insert: {
          color?: string
          created_at?: string
          description?: string | null
          id?: string
          last_activity_at?: string
          name: string
          updated_at?: string
          user_id?: string
          workflow_count?: number
        }
        Update: {
          color?: string
          created_at?: string
          description?: string | null
          id?: string
          last_activity_at?: string
          name?: string
          updated_at?: string
          user_id?: string
          workflow_count?: number
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      [_ in never]: never
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
  marketing: {
    Tables: {
      leads: {
        Row: {
          city: string | null
          company_name: string | null
          country_code: string | null
          created_at: string
          deleted_at: string | null
          email: string
          email_domain: string
          email_normalized: string
          first_name: string | null
          first_touch: NonNullable<Json>
          id: string
          interested_features: string[]
          is_spam: boolean
          landing_page: string | null
          last_name: string | null
          last_touch: NonNullable<Json>
          metadata: NonNullable<Json>
          network: unknown
          notes: string | null
          opt_in_status: string
          opted_in_at: string | null
          phone_number: string | null
          referrer: string | null
          region: string | null
          source: Database["marketing"]["Enums"]["lead_source"]
          spam_reason: string | null
          spam_score: number
          status: Database["marketing"]["Enums"]["lead_status"]
          submission_count: number
          submission_key: string | null
          updated_at: string
          user_agent: string | null
          utm_campaign: string | null
          utm_content: string | null
          utm_medium: string | null
          utm_source: string | null
          utm_term: string | null
        }
        Insert: {
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string
          deleted_at?: string | null
          email: string
          email_domain: string
          email_normalized: string
          first_name?: string | null
          first_touch?: NonNullable<Json>
          id?: string
          interested_features?: string[]
          is_spam?: boolean
          landing_page?: string | null
          last_name?: string | null
          last_touch?: NonNullable<Json>
          metadata?: NonNullable<Json>
          network?: unknown
          notes?: string | null
          opt_in_status?: string
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: Database["marketing"]["Enums"]["lead_source"]
          spam_reason?: string | null
          spam_score?: number
          status?: Database["marketing"]["Enums"]["lead_status"]
          submission_count?: number
          submission_key?: string | null
          updated_at?: string
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Update: {
          city?: string | null
          company_name?: string | null
          country_code?: string | null
          created_at?: string
          deleted_at?: string | null
          email?: string
          email_domain?: string
          email_normalized?: string
          first_name?: string | null
          first_touch?: NonNullable<Json>
          id?: string
          interested_features?: string[]
          is_spam?: boolean
          landing_page?: string | null
          last_name?: string | null
          last_touch?: NonNullable<Json>
          metadata?: NonNullable<Json>
          network?: unknown
          notes?: string | null
          opt_in_status?: string
          opted_in_at?: string | null
          phone_number?: string | null
          referrer?: string | null
          region?: string | null
          source?: Database["marketing"]["Enums"]["lead_source"]
          spam_reason?: string | null
          spam_score?: number
          status?: Database["marketing"]["Enums"]["lead_status"]
          submission_count?: number
          submission_key?: string | null
          updated_at?: string
          user_agent?: string | null
          utm_campaign?: string | null
          utm_content?: string | null
          utm_medium?: string | null
          utm_source?: string | null
          utm_term?: string | null
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      capture_lead: { Args: { lead: Json }; Returns: Json }
      is_email: { Args: { email: string }; Returns: boolean }
      lead_features: { Args: { lead: Json }; Returns: string[] }
      lead_metadata: { Args: { lead: Json }; Returns: Json }
      lead_text: {
        Args: { field: string; lead: Json; most?: number }
        Returns: string
      }
      merge_lead: {
        Args: {
          draft: Database["marketing"]["Tables"]["leads"]["Row"]
          known_spam: boolean
          lead: Json
        }
        Returns: undefined
      }
      normalize_email: { Args: { email: string }; Returns: string }
    }
    Enums: {
      lead_source:
        | "website-form"
        | "demo-request"
        | "newsletter-signup"
        | "pricing-inquiry"
        | "contact-form"
      lead_status: "new" | "contacted" | "qualified" | "converted" | "lost"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
}

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] &
        DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] &
        DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
        Row: infer R
      }
      ? R
      : never
    : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Insert: infer I
      }
      ? I
      : never
    : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends (DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never) = never,
> = DefaultSchemaTableNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
        Update: infer U
      }
      ? U
      : never
    : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends (DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never) = never,
> = DefaultSchemaEnumNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
    : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends (PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never) = never,
> = PublicCompositeTypeNameOrOptions extends {
  schema: keyof DatabaseWithoutInternals
}
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
    : never

export const Constants = {
  clixen: {
    Enums: {},
  },
  marketing: {
    Enums: {
      lead_source: [
        "website-form",
        "demo-request",
        "newsletter-signup",
        "pricing-inquiry",
        "contact-form",
      ],
      lead_status: ["new", "contacted", "qualified", "converted", "lost"],
    },
  },
} as const

